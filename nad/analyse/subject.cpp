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
         (!a.shows_others() || (a.specific_target == b.specific_target && a.lambda == b.lambda &&
                                a.negative_classes == b.negative_classes));
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
    if (result.finished) run.classes[index] = result;
  }
}

void add_run(Subject& subject, Results run) {
  for (Results& earlier : subject.runs) {
    if (!first_difference(earlier.settings, run.settings).empty() || share_a_class(earlier, run)) continue;
    add_classes(earlier, run);
    return;
  }
  subject.runs.push_back(std::move(run));
}

std::string hash_of(const std::vector<Results>& runs) {
  uint64_t hash = kHashStart;
  const auto add = [&](const auto& value) { hash = hash_bytes(hash, &value, sizeof value); };
  const auto add_text = [&](const std::string& text) { hash = hash_bytes(hash, text.data(), text.size()); };
  for (const Results& run : runs) {
    add_text(run.settings.weights_hash + run.settings.objective);
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
    const RunSettings& r = s.results().settings;
    std::string base = r.arch + "_" + r.objective;
    for (char& c : base) {
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') c = '_';
    }
    s.label = base;
    for (int i = 2; !taken.insert(s.label).second; i++) s.label = base + "_" + std::to_string(i);
  }
}

}  // namespace

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
      add_run(*found, std::move(run));
    }
  }
  for (Subject& s : subjects) {
    s.classes = finished_classes(s.results());
    s.hash = hash_of({s.results()});
    s.runs_hash = hash_of(s.runs);
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
