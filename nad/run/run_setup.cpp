#include "nad/run/run_setup.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>

#include "engine/error.h"
#include "engine/parallel.h"
#include "kernels/backends.h"
#include "nad/learn/elbow.h"
#include "nad/run/network.h"
#include "nad/store/file_hash.h"
#include "weights/durable_file.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

std::string first_few(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 3; i++) text += (i ? ", " : "") + names[i];
  return names.size() > 3 ? text + ", ..." : text;
}

void open_network(RunSetup& s) {
  const RunOptions& o = s.options;
  s.weights = std::make_unique<WeightsFile>(o.weights);
  if (!o.arch.empty() && o.arch != s.weights->arch()) {
    throw Error(ErrorKind::usage,
                "--arch " + o.arch + ": the weights file " + o.weights + " holds " + s.weights->arch(),
                "omit --arch or give the right weights file");
  }
  try {
    s.network = describe(*s.weights);
    s.gates = gate_infos(s.network);
  } catch (const Error& e) {
    throw Error(e.kind(), o.weights + ": " + e.what());
  }
  s.normalization = {s.weights->mean(), s.weights->stddev()};
}

// What stands against writing results to `out`, and what to do about it; both empty where nothing does.
std::pair<std::string, std::string> objection(const std::string& out, bool resume) {
  std::error_code ignored;
  if (fs::is_directory(out, ignored)) return {"is a folder", "give the name of a file"};
  const fs::path folder = fs::path(out).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, ignored)) {
    return {"lies in a folder that does not exist", "make the folder first"};
  }
  if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) {
    return {std::string("cannot be written: ") + std::strerror(errno), "choose another folder"};
  }
  if (fs::exists(out, ignored) && !resume) {
    return {"exists already", "go on with it by --resume, or choose another name: results are never overwritten"};
  }
  return {};
}

// Says early, before minutes of learning, what would go wrong when the results are written; a dry run only notes it.
// From here on nobody else writes there.
void take_out(RunSetup& s) {
  s.out = follow_links(s.options.out.empty() ? s.network.arch + "_results.h5" : s.options.out);
  if (s.options.profile) return;
  const auto [what, hint] = objection(s.out, s.options.resume);
  if (s.options.dry_run) {
    if (!what.empty()) s.notes.push_back("--out " + s.out + " " + what + ": a run would stop here; " + hint);
    return;
  }
  if (!what.empty()) throw Error(ErrorKind::usage, "--out " + s.out + " " + what, hint);
  s.lock = FileLock(s.out, "--out");
  const auto [since, advice] = objection(s.out, s.options.resume);  // another run may have ended in between
  if (!since.empty()) throw Error(ErrorKind::usage, "--out " + s.out + " " + since, advice);
}

// 0 where the folder cannot be read: the class fails when its turn comes, not the run.
int64_t count_images(const ImageSource& source, const std::string& split, const ClassTask& task) {
  try {
    return source.count(split, task.source);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data) throw;
    return 0;
  }
}

void open_images(RunSetup& s) {
  const RunOptions& o = s.options;
  if (!o.data.empty()) {
    s.source = std::make_unique<FolderSource>(o.data);
    s.source_name = "folder " + o.data;
  } else {
    s.source = std::make_unique<PackedSource>(*s.weights);
    s.source_name = "packed into the weights file";
  }
  const std::vector<std::string> found = s.source->classes("train");
  s.train_classes = found.size();
  const ClassMatch match = match_classes(found, s.weights->class_ids(), s.weights->num_classes());
  if (!match.ignored.empty()) {
    s.notes.push_back(std::to_string(match.ignored.size()) + " class folders are no class of the network (" +
                      first_few(match.ignored) + ")");
  }
  if (s.source->has_split("val")) {
    s.val_classes = s.source->classes("val").size();
  } else if (o.eval) {
    s.notes.push_back("there are no val images: accuracies before and after are left out");
  }
  s.classes = select_classes(o.classes, match, s.weights->class_ids(), s.weights->class_names());
  for (const auto& [id, index] : ids_like_indices(o.classes, s.weights->class_ids())) {
    s.notes.push_back("--classes: '" + id + "' is the id of class " + std::to_string(index) + "; write " + id + "-" +
                      id + " for the class with that index");
  }
  if (s.classes.empty()) throw Error(ErrorKind::data, "no class has images", "see --data and --classes");
  for (ClassTask& task : s.classes) {
    if (task.source.empty()) continue;
    task.train_images = count_images(*s.source, "train", task);
    if (s.val_classes > 0) task.val_images = count_images(*s.source, "val", task);
  }
}

std::unique_ptr<Context> take_device(const RunOptions& o) {
  return std::make_unique<Context>(make_backend(o.device, BackendOptions{o.threads, o.graph, o.conv}), o.precision);
}

// --classes-per-step auto. Cores are busy with one class. At 16 images most of a GPU idles; at 256, counting the
// tiles of the convolutions against its multiprocessors (not measured), little does. Where so many do not fit,
// plan_learner() takes fewer.
int64_t full_slots(const Backend& backend, int64_t batch) {
  constexpr int64_t kImages = 256;
  return backend.asynchronous() ? (kImages + batch - 1) / batch : 1;
}

void set_slots(RunSetup& s, int64_t slots) {
  s.slots = s.learn.slots = slots;
  s.settings.classes_per_step = s.results.settings.classes_per_step = slots;
}

void resolve_settings(RunSetup& s, const std::string& command_line) {
  const RunOptions& o = s.options;
  const Backend& backend = s.context->backend();
  s.device_choice = o.device == "auto" ? choose_device().reason : "as asked for";
  const int64_t slots = o.classes_per_step > 0 ? o.classes_per_step : full_slots(backend, o.batch);
  set_slots(s, std::min(slots, static_cast<int64_t>(s.classes.size())));
  s.learn.objective = o.objective;
  s.learn.beta = o.beta ? *o.beta : default_beta(s.network.arch, s.network.num_classes == 365);
  if (o.beta_auto) s.beta_grid = o.beta_grid.empty() ? default_beta_grid(s.learn.beta) : o.beta_grid;
  s.learn.lr = o.lr;
  if (backend.augments()) s.learn.byte_values = byte_values(s.normalization);
  s.learn.batch = o.batch;

  RunSettings& r = s.settings;
  r.arch = s.network.arch;
  r.weights_hash = file_hash(o.weights);
  r.objective = to_string(o.objective);
  r.precision = to_string(o.precision);
  r.device = backend.name();
  if (backend.name() == "cuda") r.conv = to_string(o.conv);
  r.beta = o.beta_auto ? std::numeric_limits<double>::quiet_NaN() : s.learn.beta;
  r.lr = o.lr;
  r.epochs = o.steps > 0 ? 0 : o.epochs;
  r.steps = o.steps;
  r.batch = o.batch;
  r.seed = o.seed;
  r.weights_file = fs::path(o.weights).filename().string();
  r.data = o.data.empty() ? "packed" : o.data;
  r.program = program_version();
  r.command_line = command_line;
  r.device_description = backend.description();
  r.threads = max_threads();
  r.input_size = s.network.input_size;
  r.num_classes = s.network.num_classes;
}

// --beta auto goes on with what the resumed run found, or was about to find. What stands against it, or nothing.
std::string adopt_beta(RunSetup& s) {
  const BetaSearch& search = s.results.beta_search;
  const double found = s.results.settings.beta;
  if (search.beta.empty()) return "beta is " + short_number(found) + " there and auto here";
  if (search.beta != s.beta_grid) {
    const auto list = [](const std::vector<double>& grid) {
      std::string text;
      for (const double beta : grid) text += (text.empty() ? "" : ",") + short_number(beta);
      return text;
    };
    return "the grid of --beta auto is " + list(search.beta) + " there and " + list(s.beta_grid) + " here";
  }
  s.settings.beta = found;
  if (!std::isnan(found)) s.learn.beta = found;
  return "";
}

// The results of the run that goes on, checked against this one.
void open_results(RunSetup& s) {
  std::vector<std::string> names;
  std::vector<int64_t> channels;
  for (const GateInfo& gate : s.gates) {
    names.push_back(gate.name);
    channels.push_back(gate.channels);
  }
  std::error_code ignored;
  if (s.options.resume && fs::exists(s.out, ignored)) {
    s.results = read_results(s.out);
    std::string difference = s.options.beta_auto ? adopt_beta(s) : "";
    if (difference.empty()) difference = first_difference(s.results.settings, s.settings);
    if (!difference.empty()) {
      throw Error(ErrorKind::usage, "--resume: " + s.out + " was made with other settings: " + difference,
                  "give the same settings or another --out");
    }
    s.settings.conv_choices = s.results.settings.conv_choices;
    if (s.results.channels != channels) {
      throw Error(ErrorKind::data, "--resume: " + s.out + " has gates of other sizes than this network",
                  "choose another --out");
    }
  } else if (s.options.resume) {
    s.notes.push_back(s.out + " does not exist yet: nothing to resume, the run starts anew");
  }
  s.results.settings = s.settings;
  s.results.gate_names = names;
  s.results.channels = channels;
}

// The largest batch of one class at a time, found by planning a batch of one. 0 where not even that fits.
int64_t largest_batch(RunSetup& s) {
  try {
    const std::unique_ptr<Context> context = take_device(s.options);
    LearnOptions smallest = s.learn;
    smallest.slots = smallest.batch = 1;
    return Learner(*context, s.network, load_tensors(*s.weights, s.network), smallest).largest_batch();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
  } catch (const std::bad_alloc&) {
    // as above
  }
  return 0;
}

}  // namespace

RunSetup prepare_run(const RunOptions& options, const std::string& command_line) {
  RunSetup setup;
  setup.options = options;
  open_network(setup);
  take_out(setup);
  open_images(setup);
  setup.context = take_device(options);
  resolve_settings(setup, command_line);
  if (!setup.options.profile) open_results(setup);
  return setup;
}

int64_t class_steps(const RunOptions& o, int64_t images) {
  return o.steps > 0 ? o.steps : o.epochs * steps_per_epoch(images, o.batch);
}

int64_t steps_between_losses(const RunSetup& s, int64_t steps) {
  if (!s.context->backend().asynchronous()) return 1;
  return std::min(kLossHistory, steps_between_lines(s.options.log_every, steps));
}

LoaderOptions learning_batches(const RunSetup& s, int64_t steps, int64_t first_step) {
  LoaderOptions loader;
  loader.batch = static_cast<int>(s.options.batch);
  loader.size = static_cast<int>(s.network.input_size);
  loader.normalization = s.normalization;
  loader.seed = s.options.seed;
  loader.first_step = first_step;
  loader.steps = steps;
  // Preparing images is light beside a step: half of the threads, shared by the slots, are plenty.
  loader.workers = std::max(1, max_threads() / (2 * static_cast<int>(s.slots)));
  loader.ahead = 3;
  return loader;
}

std::unique_ptr<Learner> plan_learner(RunSetup& s, Progress& progress) {
  while (true) {
    const std::string wanted = "--batch " + std::to_string(s.learn.batch) + " with " + std::to_string(s.slots) +
                               (s.slots == 1 ? " class" : " classes") + " per step";
    std::string why;
    try {
      Backend& backend = s.context->backend();
      backend.adopt_choices(s.settings.conv_choices);
      auto learner = std::make_unique<Learner>(*s.context, s.network, load_tensors(*s.weights, s.network), s.learn);
      s.settings.conv_choices = s.results.settings.conv_choices = backend.measured_choices();
      return learner;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::memory) throw;
      why = e.what();
    } catch (const std::bad_alloc&) {
      why = "out of memory";
    }
    s.context.reset();  // and with it the memory that planning took
    if (s.options.classes_per_step > 0 || s.slots == 1) {
      const int64_t fits = largest_batch(s);
      throw Error(ErrorKind::memory, wanted + " does not fit: " + why,
                  fits > 0
                      ? "the largest batch that fits is about " + std::to_string(fits) + " with one class per step"
                      : "not even a batch of 1 fits");
    }
    set_slots(s, s.slots / 2);
    progress.say(wanted + " does not fit, " + std::to_string(s.slots) + " per step are tried");
    s.context = take_device(s.options);
  }
}

}  // namespace nad
