#include "nad/run/run_state.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <new>

#include "engine/error.h"
#include "engine/parallel.h"
#include "nad/run/program.h"
#include "nad/store/file_hash.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

// --classes-per-step auto, at so many images of a class. Cores are busy with one class. At 16 images most of a GPU
// idles; at 256, counting the tiles of the convolutions against its multiprocessors
// (not measured), little does. Where so many do not fit, plan_learner() takes fewer.
int64_t full_slots(const Backend& backend, int64_t images) {
  constexpr int64_t kImages = 256;
  return backend.asynchronous() ? (kImages + images - 1) / images : 1;
}

// How long a class is learnt: --steps, or --epochs, or by default kAutoEpochs and at least kAutoSteps.
void set_length(const RunOptions& o, RunSettings* r) {
  r->steps = o.steps.value_or(0);
  r->epochs = o.steps ? 0 : o.epochs.value_or(kAutoEpochs);
  r->least_steps = o.auto_length() ? kAutoSteps : 0;
}

RunSettings resolve_settings(const RunSetup& s, const Backend& backend, const std::string& command_line) {
  const RunOptions& o = s.options;
  RunSettings r;
  r.arch = s.network.arch;
  r.weights_hash = file_hash(o.weights);
  r.objective = to_string(o.objective);
  r.precision = to_string(o.precision);
  r.device = backend.name();
  if (backend.name() == "cuda") r.conv = to_string(o.conv);
  r.beta = o.beta_auto ? std::numeric_limits<double>::quiet_NaN() : o.beta.value_or(s.defaults.beta.value);
  r.lr = o.lr.value_or(s.defaults.lr);
  r.specific_target = to_string(o.target);
  r.lambda = o.lambda.value_or(s.defaults.lambda);
  r.max_false_alarms = o.lambda ? 0 : o.max_false_alarms.value_or(s.defaults.max_false_alarms);
  r.negatives = o.negatives;
  r.negative_classes = to_string(o.negative_classes);
  set_length(o, &r);
  r.batch = o.batch;
  r.seed = o.seed;
  r.order_seed = o.order();
  r.half = to_string(o.half);
  r.random_weights = s.weights->random_seed();
  r.shuffled_labels = o.shuffle_labels;
  r.whole_batch = o.whole_batch || !r.control().empty();
  r.weights_file = fs::path(o.weights).filename().string();
  r.data = o.data.empty() ? "packed" : o.data;
  r.program = program_version("nad_run");
  r.command_line = command_line;
  r.device_description = backend.description();
  r.threads = max_threads();
  const int64_t slots =
      o.classes_per_step > 0 ? o.classes_per_step : full_slots(backend, r.shows_others() ? 2 * o.batch : o.batch);
  r.classes_per_step = std::min(slots, static_cast<int64_t>(s.classes.size()));
  r.input_size = s.network.input_size;
  r.image_decoders = image_decoders();
  r.num_classes = s.network.num_classes;
  return r;
}

// --beta auto goes on with what the resumed run found, or was about to find. What stands against it, or nothing.
std::string adopt_beta(const Results& there, const std::vector<double>& grid, RunSettings* here) {
  if (there.beta_search.beta.empty()) return "beta is " + short_number(there.settings.beta) + " there and auto here";
  if (there.beta_search.beta != grid) {
    const auto list = [](const std::vector<double>& betas) {
      std::string text;
      for (const double beta : betas) text += (text.empty() ? "" : ",") + short_number(beta);
      return text;
    };
    return "the grid of --beta auto is " + list(there.beta_search.beta) + " there and " + list(grid) + " here";
  }
  here->beta = there.settings.beta;
  return "";
}

// Files from before --steps auto were made by a default of kAutoEpochs alone: without a flag they go on with that.
void adopt_length(const RunSettings& there, RunSettings* here) {
  if (there.steps == 0 && there.epochs == kAutoEpochs && there.least_steps == 0) here->least_steps = 0;
}

// The results of the run that goes on, checked against this one.
Results earlier_results(const RunSetup& s, const std::vector<int64_t>& channels, RunSettings* here) {
  Results results = read_results(s.out);
  std::string difference = s.options.beta_auto ? adopt_beta(results, s.beta_grid, here) : "";
  if (s.options.auto_length()) adopt_length(results.settings, here);
  if (difference.empty()) difference = first_difference(results.settings, *here);
  if (!difference.empty()) {
    throw Error(ErrorKind::usage, "--resume: " + s.out + " was made with other settings: " + difference,
                "give the same settings or another --out");
  }
  here->conv_choices = results.settings.conv_choices;
  here->negatives_hash = results.settings.negatives_hash;
  if (results.channels != channels) {
    throw Error(ErrorKind::data, "--resume: " + s.out + " has gates of other sizes than this network",
                "choose another --out");
  }
  return results;
}

LearnOptions learn_options(const RunSetup& s, const RunState& state) {
  const RunSettings& r = state.settings();
  LearnOptions learn;
  learn.objective = s.options.objective;
  learn.beta = std::isnan(r.beta) ? s.defaults.beta.value : r.beta;
  learn.target = s.options.target;
  learn.lambda = r.lambda;
  learn.max_false_alarms = r.max_false_alarms;
  learn.lr = r.lr;
  learn.whole_batch = r.whole_batch;
  learn.slots = r.classes_per_step;
  learn.batch = r.batch;
  if (learning_backend(state.context->backend()).augments()) learn.byte_values = byte_values(s.preprocessing);
  learn.interpolation = s.preprocessing.interpolation;
  return learn;
}

// The largest batch of one class at a time, found by planning a batch of one. 0 where not even that fits.
int64_t largest_batch(const RunSetup& s, LearnOptions smallest) {
  try {
    const std::unique_ptr<Context> context = take_device(s.options);
    smallest.slots = smallest.batch = 1;
    return Learner(*context, s.network, load_tensors(*s.weights, s.network), smallest).largest_batch();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
  } catch (const std::bad_alloc&) {
    // as above
  }
  return 0;
}

// Plans with the classes per step as they are. Empty, or why they do not fit.
std::string try_plan(const RunSetup& s, RunState& state, const LearnOptions& learn) {
  try {
    Backend& backend = state.context->backend();
    backend.adopt_choices(state.settings().conv_choices);
    state.learner = std::make_unique<Learner>(*state.context, s.network, load_tensors(*s.weights, s.network), learn);
    state.results.settings.conv_choices = backend.measured_choices();
    return "";
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
    return e.what();
  } catch (const std::bad_alloc&) {
    return "out of memory";
  }
}

}  // namespace

RunState open_run(const RunSetup& setup, const std::string& command_line) {
  RunState state;
  state.context = take_device(setup.options);
  RunSettings settings = resolve_settings(setup, state.context->backend(), command_line);
  std::vector<std::string> names;
  std::vector<int64_t> channels;
  for (const GateInfo& gate : setup.gates) {
    names.push_back(gate.name);
    channels.push_back(gate.channels);
  }
  std::error_code ignored;
  if (setup.options.resume && !setup.options.profile && fs::exists(setup.out, ignored)) {
    state.results = earlier_results(setup, channels, &settings);
    const std::string& before = state.results.settings.image_decoders;
    if (before != settings.image_decoders) state.other_decoders = before;
  }
  state.results.settings = settings;
  state.results.gate_names = names;
  state.results.channels = channels;
  return state;
}

void plan_learner(const RunSetup& s, RunState& state, Progress& progress) {
  int64_t& slots = state.results.settings.classes_per_step;
  while (true) {
    const LearnOptions learn = learn_options(s, state);
    const std::string why = try_plan(s, state, learn);
    if (why.empty()) return;
    const std::string wanted = "--batch " + std::to_string(learn.batch) + " with " + std::to_string(slots) +
                               (slots == 1 ? " class" : " classes") + " per step";
    state.context.reset();  // and with it the memory that planning took
    if (s.options.classes_per_step > 0 || slots == 1) {
      const int64_t fits = largest_batch(s, learn);
      throw Error(ErrorKind::memory, wanted + " does not fit: " + why,
                  fits > 0
                      ? "the largest batch that fits is about " + std::to_string(fits) + " with one class per step"
                      : "not even a batch of 1 fits",
                  fits > 0 ? Setting::step_size : Setting::none);
    }
    slots /= 2;
    progress.say(wanted + " does not fit, " + std::to_string(slots) + " per step are tried");
    state.context = take_device(s.options);
  }
}

int64_t class_steps(const RunSettings& r, int64_t images) {
  return r.steps > 0 ? r.steps : std::max(r.least_steps, r.epochs * steps_per_epoch(images, r.batch));
}

DecodedClass decode_images_of(const RunSetup& s, const ClassTask& task, const std::string& split,
                              Progress& progress) {
  return decode_class(*s.source, split, task.index, task.source_class, std::max(1, max_threads()),
                      [&](const std::string& line) { progress.warn("broken image: " + line); });
}

LoaderOptions learning_batches(const RunSetup& s, const RunState& state, int64_t steps, int64_t first_step) {
  LoaderOptions loader;
  loader.batch = static_cast<int>(s.options.batch);
  loader.size = static_cast<int>(s.network.input_size);
  loader.preprocessing = s.preprocessing;
  loader.seed = s.options.order();
  loader.first_step = first_step;
  loader.steps = steps;
  // Preparing images is light beside a step: half of the threads, shared by the slots, are plenty.
  const bool beside = state.context->backend().asynchronous();
  loader.workers =
      beside ? std::max(1, max_threads() / (2 * static_cast<int>(state.settings().classes_per_step))) : 0;
  loader.ahead = 3;
  return loader;
}

int64_t steps_between_losses(const RunSetup& s, const RunState& state, int64_t steps) {
  if (!state.context->backend().asynchronous()) return 1;
  return std::min(kLossHistory, steps_between_lines(s.options.log_every, steps));
}

}  // namespace nad
