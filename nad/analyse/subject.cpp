#include "nad/analyse/subject.h"

#include <algorithm>
#include <map>
#include <set>

#include "nad/store/file_hash.h"

namespace nad {
namespace {

std::vector<int64_t> finished_classes(const Results& run) {
  std::vector<int64_t> classes;
  for (const auto& [index, result] : run.classes) {
    if (result.finished) classes.push_back(index);
  }
  return classes;
}

bool same_subject(const RunSettings& a, const RunSettings& b) {
  return a.weights_hash == b.weights_hash && a.objective == b.objective && a.beta == b.beta && a.lr == b.lr &&
         a.batch == b.batch && a.steps == b.steps && a.epochs == b.epochs && a.least_steps == b.least_steps &&
         a.shuffled_labels == b.shuffled_labels && a.whole_batch == b.whole_batch &&
         (!a.shows_others() ||
          (a.specific_target == b.specific_target && a.lambda == b.lambda &&
           a.max_false_alarms == b.max_false_alarms && a.negative_classes == b.negative_classes));
}

bool share_a_class(const Results& a, const Results& b) {
  return std::any_of(a.classes.begin(), a.classes.end(), [&](const auto& item) {
    const auto there = b.classes.find(item.first);
    return item.second.finished && there != b.classes.end() && there->second.finished;
  });
}

// Takes the classes of `more` that `run` has not finished.
void add_classes(Results& run, const Results& more) {
  for (const auto& [index, result] : more.classes) {
    if (!result.finished) continue;
    ClassResult& there = run.classes[index];
    if (!there.finished) there = result;
  }
}

// Of the classes that both have finished; there is at least one.
bool same_masks(const Results& a, const Results& b) {
  return share_a_class(a, b) && std::all_of(a.classes.begin(), a.classes.end(), [&](const auto& item) {
           const auto there = b.classes.find(item.first);
           if (!item.second.finished || there == b.classes.end() || !there->second.finished) return true;
           return binary_mask(item.second.logits) == binary_mask(there->second.logits);
         });
}

void add_run(Subject& subject, const std::string& path, Results run, std::vector<std::string>* notes) {
  for (Results& earlier : subject.runs) {
    const bool one_run = first_difference(earlier.settings, run.settings).empty();
    const bool again = same_masks(earlier, run);
    if (!again && (!one_run || share_a_class(earlier, run))) continue;
    if (one_run) add_classes(earlier, run);
    if (again) notes->push_back(path + ": its masks are those of a run that is given already, it is no other run");
    return;
  }
  subject.runs.push_back(std::move(run));
}

// starts: with what tells one run from another, besides what it learnt.
std::string hash_of(const std::vector<Results>& runs, bool starts) {
  uint64_t hash = kHashStart;
  const auto add = [&](const auto& value) { hash = hash_bytes(hash, &value, sizeof value); };
  const auto add_text = [&](const std::string& text) { hash = hash_bytes(hash, text.data(), text.size()); };
  for (const Results& run : runs) {
    add_text(run.settings.weights_hash + run.settings.objective);
    if (run.settings.shuffled_labels) add(*run.settings.shuffled_labels);
    if (starts) {
      add(run.settings.seed);
      add(run.settings.order_seed);
      add_text(run.settings.half);
    }
    for (const auto& values : {run.beta_search.beta, run.beta_search.mean_reconstruction,
                               run.beta_search.mean_regularisation, run.beta_search.distance}) {
      hash = hash_bytes(hash, values.data(), values.size() * sizeof(double));
    }
    for (const auto& [index, c] : run.classes) {
      if (!c.finished) continue;
      add(index);
      add_text(c.id + "/" + c.name);
      for (const double value : {c.top1_before, c.top1_after, c.false_alarms}) add(value);
      for (const std::vector<float>& gate : c.logits) {
        hash = hash_bytes(hash, gate.data(), gate.size() * sizeof(float));
      }
    }
  }
  return hexadecimal(hash);
}

// Labels that a group and a folder can have, each once: resnet50_released, resnet50_released_2, ...
void name_subjects(std::vector<Subject>& subjects) {
  std::set<std::string> taken;
  for (Subject& s : subjects) {
    const std::string base = subject_label(s.results().settings);
    s.label = base;
    for (int i = 2; !taken.insert(s.label).second; i++) s.label = base + "_" + std::to_string(i);
  }
}

}  // namespace

std::string subject_label(const RunSettings& settings) {
  std::string label = settings.arch + "_" + settings.objective;
  if (!settings.control().empty()) label += "_" + settings.control();
  for (char& c : label) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
  }
  return label;
}

std::vector<Subject> group_subjects(std::vector<std::pair<std::string, Results>> files,
                                    std::vector<std::string>* notes) {
  std::vector<Subject> subjects;
  for (auto& [path, run] : files) {
    if (finished_classes(run).empty()) {
      notes->push_back(path + ": no class is finished yet, it is left out");
      continue;
    }
    const auto found = std::find_if(
        subjects.begin(), subjects.end(),
        [&, &settings = run.settings](const Subject& s) { return same_subject(s.results().settings, settings); });
    if (found == subjects.end()) {
      subjects.emplace_back();
      subjects.back().runs.push_back(std::move(run));
    } else {
      add_run(*found, path, std::move(run), notes);
    }
  }
  for (Subject& s : subjects) {
    s.classes = finished_classes(s.results());
    s.hash = hash_of({s.results()}, false);
    s.runs_hash = hash_of(s.runs, true);
  }
  name_subjects(subjects);
  return subjects;
}

MaskTable mask_table(const Results& run, const std::vector<int64_t>& classes) {
  MaskTable masks(run.channels, static_cast<int64_t>(classes.size()));
  for (size_t i = 0; i < classes.size(); i++) {
    masks.set(static_cast<int64_t>(i), run.classes.at(classes[i]).logits);
  }
  return masks;
}

}  // namespace nad
