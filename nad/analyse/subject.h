// What is analysed: the sub-architectures of one network, learnt with one objective, perhaps several times.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nad/analyse/similarity.h"
#include "nad/store/results.h"

namespace nad {

struct Subject {
  std::string label;             // subject_label(): names its group and its folder of CSVs
  std::vector<Results> runs;     // of the same network, objective and lengths; the first is the one that is analysed
  std::vector<int64_t> classes;  // finished in the first run, growing
  std::string hash;              // of the first run's masks, logits and accuracies
  std::string runs_hash;         // of all runs', with their seeds and halves

  const Results& results() const { return runs.front(); }
  const ClassResult& of(int64_t class_index) const { return results().classes.at(class_index); }
  int64_t count() const { return static_cast<int64_t>(classes.size()); }
};

// Results that belong together become one subject, in the order given: the same weights, labels, objective, beta, step
// size, batch and number of steps. Where two of them differ in nothing but classes (equal settings, no class finished in
// both) they are one run; one whose masks are those of an earlier run, as of a file given twice, is no other run. Such
// results, and those without a finished class, are left out, each with a line to `notes`.
// files: path and results.
std::vector<Subject> group_subjects(std::vector<std::pair<std::string, Results>> files,
                                    std::vector<std::string>* notes);

// "resnet50_released", of a control "resnet50_released_random_weights": what a subject is named by, before a number
// tells it from another.
std::string subject_label(const RunSettings& settings);

// Binary masks of `classes` in one run; item i is classes[i].
MaskTable mask_table(const Results& run, const std::vector<int64_t>& classes);

}  // namespace nad
