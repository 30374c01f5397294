#include "nad/run/run_setup.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "nad/images/list_source.h"
#include "nad/images/shuffled_source.h"
#include "nad/learn/elbow.h"
#include "nad/run/output_place.h"
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
    throw Error(e.kind(), o.weights + ": " + e.what(), "", e.setting());
  }
  s.preprocessing = preprocessing_of(*s.weights);
}

// Says early, before minutes of learning, what would go wrong when the results are written; a dry run only notes it.
// From here on nobody else writes there.
void claim_output(RunSetup& s) {
  const RunOptions& o = s.options;
  s.out = follow_links(o.out.empty() ? s.network.arch + "_results.h5" : o.out);
  if (o.profile) return;
  std::error_code ignored;
  if (o.resume && !fs::exists(s.out, ignored)) {
    s.notes.push_back(s.out + " does not exist yet: nothing to resume, the run starts anew");
  }
  OutputRules rules{.may_exist = o.resume, .inputs = {o.weights}, .try_writing = false};
  if (o.dry_run) {
    const auto problem = output_problem(s.out, rules);
    if (problem)
      s.notes.push_back("--out " + s.out + " " + problem->what + ": a run would stop here; " + problem->hint);
    return;
  }
  check_output(s.out, rules);
  s.lock = FileLock(s.out, "--out");
  rules.try_writing = true;
  check_output(s.out, rules);  // another run may have ended in between
}

void open_images(RunSetup& s) {
  const RunOptions& o = s.options;
  if (!o.data.empty()) {
    s.source = open_folder(o.data, o.val_list, s.weights->class_ids());
    s.source_name = "folder " + o.data + (o.val_list.empty() ? "" : ", val by the list " + o.val_list);
  } else {
    s.source = std::make_unique<PackedSource>(*s.weights);
    s.source_name = "packed into the weights file";
  }
  if (o.half != Half::all) s.source = std::make_unique<HalfSource>(std::move(s.source), o.half);
  const std::vector<std::string> found = s.source->classes("train");
  s.train_classes = found.size();
  const ClassMatch match = match_classes(found, s.weights->class_ids(), s.weights->num_classes());
  if (!match.ignored.empty()) {
    s.notes.push_back(std::to_string(match.ignored.size()) + " class folders are no class of the network (" +
                      first_few(match.ignored) + ")");
  }
  if (o.shuffle_labels) {
    std::vector<std::string> classes = match.source_class;
    std::erase(classes, "");
    s.source = std::make_unique<ShuffledSource>(std::move(s.source), std::move(classes), *o.shuffle_labels);
  }
  if (o.objective == Objective::specific) {
    s.shown_class = shown_classes(match.source_class, o.negative_classes);
    if (std::all_of(s.shown_class.begin(), s.shown_class.end(), [](const std::string& c) { return c.empty(); }))
      throw Error(ErrorKind::data, "no class has images that the others could be shown",
                  "see --data and --negative-classes");
  }
  if (s.source->has_split("val")) {
    const std::vector<std::string> val = s.source->classes("val");
    s.val_classes = val.size();
    s.val_class = s.weights->class_ids().empty() ? match.source_class : classes_by_id(val, s.weights->class_ids());
  } else if (o.eval) {
    s.notes.push_back("there are no val images: accuracies before and after are left out");
  }
  s.classes = select_classes(o.classes, match, s.weights->class_ids(), s.weights->class_names());
  for (const auto& [id, index] : ids_like_indices(o.classes, s.weights->class_ids())) {
    s.notes.push_back("--classes: '" + id + "' is the id of class " + std::to_string(index) + "; write " + id + "-" +
                      id + " for the class with that index");
  }
  if (s.classes.empty()) throw Error(ErrorKind::data, "no class has images", "see --data and --classes");
  EndingCounts unread;
  const auto add_unread = [&](const std::string& split, const std::string& source_class) {
    for (const auto& [ending, count] : unread_of(*s.source, split, source_class)) unread[ending] += count;
  };
  for (ClassTask& task : s.classes) {
    if (task.source_class.empty()) continue;
    add_unread("train", task.source_class);
    if (s.val_classes > 0) add_unread("val", task.source_class);
    // A folder that cannot be read: the class fails when its turn comes, not the run.
    task.train_images = count_readable(*s.source, "train", task.source_class);
    if (s.val_classes > 0) task.val_images = count_readable(*s.source, "val", task.source_class);
  }
  if (!unread.empty())
    s.notes.push_back("in the folders of the chosen classes " + to_text(unread) + "; read are " + image_endings());
}

}  // namespace

RunSetup prepare_run(const RunOptions& options) {
  RunSetup setup;
  setup.options = options;
  open_network(setup);
  setup.defaults = defaults_of(options.objective, setup.network, options.lambda.has_value());
  if (options.beta_auto) {
    setup.beta_grid = options.beta_grid.empty() ? default_beta_grid(setup.defaults.beta.value) : options.beta_grid;
  }
  claim_output(setup);
  open_images(setup);
  return setup;
}

}  // namespace nad
