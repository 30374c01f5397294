#include "nad/run/run_setup.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engine/error.h"
#include "nad/learn/elbow.h"
#include "weights/durable_file.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

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
void claim_output(RunSetup& s) {
  s.out = follow_links(s.options.out.empty() ? s.network.arch + "_results.h5" : s.options.out);
  if (s.options.profile) return;
  std::error_code ignored;
  if (s.options.resume && !fs::exists(s.out, ignored)) {
    s.notes.push_back(s.out + " does not exist yet: nothing to resume, the run starts anew");
  }
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
  s.source_class = match.source_class;
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

}  // namespace

RunSetup prepare_run(const RunOptions& options) {
  RunSetup setup;
  setup.options = options;
  open_network(setup);
  setup.default_beta = default_beta(setup.network);
  if (options.beta_auto) {
    setup.beta_grid = options.beta_grid.empty() ? default_beta_grid(setup.default_beta.value) : options.beta_grid;
  }
  claim_output(setup);
  open_images(setup);
  return setup;
}

}  // namespace nad
