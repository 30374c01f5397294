#include "nad/run/banner.h"

#include <algorithm>
#include <cmath>

#include "engine/cores.h"
#include "kernels/backends.h"
#include "nad/report/results_table.h"
#include "nad/report/text.h"

namespace nad {
namespace {

std::string mebibytes(size_t bytes) { return format("%.1f MiB", static_cast<double>(bytes) / (1 << 20)); }

std::string beta_text(const RunSetup& s, const RunSettings& r) {
  const double beta = r.beta;
  if (std::isnan(beta)) {
    return format("auto (%zu values from %g to %g)", s.beta_grid.size(), s.beta_grid.front(), s.beta_grid.back());
  }
  return format("%g", beta) + (s.options.beta_auto ? " (auto, found before)"
                               : s.options.beta    ? ""
                                                   : " (" + s.defaults.beta.why + ")");
}

std::string operating_text(const RunSettings& r) {
  return r.max_false_alarms > 0
             ? format("false alarms to stay within %g %% of the original's", 100 * r.max_false_alarms)
             : format("lambda %g", r.lambda);
}

std::string length_text(const RunSetup& s, const RunSettings& r) {
  if (r.steps > 0) return std::to_string(r.steps) + " steps per class";
  const std::string epochs = std::to_string(r.epochs) + " epochs";
  if (r.least_steps > 0) return epochs + ", at least " + std::to_string(r.least_steps) + " steps per class (auto)";
  return epochs + " per class" + (s.options.auto_length() ? " (as the results file says)" : "");
}

std::string others_text(const RunSetup& s, const RunSettings& r) {
  const auto classes = std::count_if(s.shown_class.begin(), s.shown_class.end(),
                                     [](const std::string& name) { return !name.empty(); });
  const std::string most = std::to_string(r.negatives > 0 ? r.negatives : kAutoNegatives);
  return "a batch more of them in each step, of " + std::to_string(classes) + " classes" +
         (r.negative_classes == "all" ? "" : " (" + r.negative_classes + " ones)") + "; at most " + most +
         " images are kept" +
         (r.negatives > 0 ? "" : format(", or %lld MiB (auto)", static_cast<long long>(kAutoNegativeBytes >> 20)));
}

void warn_of_few_steps(const RunSetup& s, const RunSettings& r, Progress& progress) {
  int64_t few = 0, fewest = kAutoSteps;
  for (const ClassTask& task : s.classes) {
    if (task.train_images == 0) continue;
    const int64_t steps = class_steps(r, task.train_images);
    few += steps < kAutoSteps;
    fewest = std::min(fewest, steps);
  }
  if (few == 0) return;
  progress.warn("warning: " + std::to_string(few) + (few == 1 ? " class gets" : " classes get") + " fewer than " +
                std::to_string(kAutoSteps) + " steps (" + (few == 1 ? "" : "down to ") + std::to_string(fewest) +
                "): too few for most gates to settle; --steps auto takes at least " + std::to_string(kAutoSteps));
}

std::string three(const std::array<float, 3>& v) {
  return format("%.4g", v[0]) + format(" %.4g", v[1]) + format(" %.4g", v[2]);
}

std::string preprocessing_text(const RunSetup& s) {
  const Attributes& a = s.weights->attributes();
  const std::string side = std::to_string(s.network.input_size);
  return "shorter side to " + std::to_string(s.preprocessing.resize_size) + ", centre " + side + "x" + side + ", " +
         s.weights->interpolation() + ", mean " + three(s.preprocessing.mean) + ", std " +
         three(s.preprocessing.stddev) +
         (a.has("preprocessing") ? " (" + a.get<std::string>("preprocessing", "") + ")" : "");
}

}  // namespace

void say_banner(const RunSetup& s, const RunState& state, Progress& progress) {
  const RunSettings& r = state.settings();
  int64_t channels = 0;
  for (const GateInfo& gate : s.gates) channels += gate.channels;
  const auto line = [&](const char* name, const std::string& value) {
    progress.say(format("  %-14s", name) + value);
  };
  progress.say(r.program);
  line("weights", s.options.weights + " (fnv1a " + r.weights_hash + ")");
  line("network", r.arch + ", " + std::to_string(r.num_classes) + " classes, input " + std::to_string(r.input_size) +
                      "x" + std::to_string(r.input_size));
  line("preprocessing", preprocessing_text(s));
  line("gates", std::to_string(s.gates.size()) + " with " + std::to_string(channels) + " channels");
  int64_t train = 0, val = 0;
  for (const ClassTask& task : s.classes) {
    train += task.train_images;
    val += task.val_images;
  }
  line("images", s.source_name + ": train " + std::to_string(s.train_classes) + " classes, val " +
                     std::to_string(s.val_classes) + " classes; " + std::to_string(train) + " and " +
                     std::to_string(val) + " images of the chosen ones" +
                     (r.half == "all" ? "" : " (train: the " + r.half + " half)"));
  line("classes", std::to_string(s.classes.size()) + " of " + std::to_string(r.num_classes) + ", " +
                      std::to_string(r.classes_per_step) + " per step" +
                      (s.options.classes_per_step == 0 ? " (auto)" : ""));
  line("objective", r.objective +
                        (r.shows_others() ? ", target " + r.specific_target + ", " + operating_text(r) : "") +
                        ", beta " + beta_text(s, r) + format(", lr %g", r.lr));
  if (r.shows_others()) line("others", others_text(s, r));
  const std::string control = control_text(r);
  if (!control.empty()) line("control", control);
  line("length", length_text(s, r) + ", batch " + std::to_string(r.batch));
  line("seed", std::to_string(r.seed) +
                   (r.order_seed == r.seed ? "" : ", " + std::to_string(r.order_seed) + " of the images' order"));
  line("device", r.device + ": " + r.device_description + " (" +
                     (s.options.device == "auto" ? choose_device().reason : "as asked for") + ")");
  const std::string about = state.context->backend().precision_note(s.options.precision);
  line("precision", r.precision + (about.empty() ? "" : " (" + about + ")"));
  line("threads", std::to_string(r.threads) + (s.options.threads == 0 ? " (" + describe_cores() + ")" : ""));
  line("evaluation", !s.options.eval ? "none" : s.val_classes > 0 ? "Top-1 on val" : "none, there are no val images");
  line("out", s.out + format(", saved every %g s and after every class", s.options.checkpoint_every));
  if (!state.results.classes.empty()) {
    const auto finished = std::count_if(state.results.classes.begin(), state.results.classes.end(),
                                        [](const auto& entry) { return entry.second.finished; });
    line("resumed", std::to_string(finished) + " classes are finished in " + s.out);
  }
  for (const std::string& note : s.notes) progress.say("note: " + note);
  if (!state.other_decoders.empty()) {
    progress.warn("warning: " + s.out + " was begun with other decoders of images (" + state.other_decoders +
                  "), here they are " + r.image_decoders +
                  ": pixels may differ by a unit, and a class in progress that was learnt from others is refused");
  }
  warn_of_few_steps(s, r, progress);
}

void say_memory(const RunState& state, Progress& progress) {
  const Learner& learner = *state.learner;
  const int64_t slots = learner.options().slots;
  const MemoryAccount a = learner.account();
  progress.say("  memory        weights " + mebibytes(a.weights) + ", activations " + mebibytes(a.activations) +
               ", scratch " + mebibytes(a.scratch) + ", state " + mebibytes(a.state) + ", total " +
               mebibytes(a.total()) + "; the largest batch that fits is about " +
               std::to_string(learner.largest_batch()) + " with " + std::to_string(slots) +
               (slots == 1 ? " class per step" : " classes per step"));
}

}  // namespace nad
