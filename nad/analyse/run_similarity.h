// Similarity of the masks of a class in different runs (within) and of different classes in the same run (between).
#pragma once

#include <cstdint>
#include <vector>

#include "nad/analyse/similarity.h"
#include "nad/analyse/statistics.h"

namespace nad {

struct LayerStability {
  double within = 0, between = 0;  // mean Jaccard over classes and pairs of runs; over pairs of classes and runs
  double chance = 0;               // what `between` is for sets of these sizes at random
  Interval within_interval, between_interval, difference_interval;  // over classes; difference: within - between
  // (within - between) / (1 - chance); NaN where chance is 1.
  double separation() const;
};

class RunSimilarity {
 public:
  // masks: at least two runs, with the same classes (at least two) and gates.
  explicit RunSimilarity(const std::vector<MaskTable>& masks);

  // Bootstrap draws of classes: pair_bootstrap_draws() of class_pairs.h. Pairs of a class with itself do not count.
  LayerStability of_gate(int64_t gate, uint64_t key);
  // Of the mean over gates, as far as of_gate() was called.
  LayerStability mean_over_gates(uint64_t key) const;
  // How likely a mean similarity of the first run's classes with their own masks in the others as large as it is would
  // be if these runs' classes were named in a random order. One-sided, mean over all gates.
  double p_value_of_classes(uint64_t key, int64_t permutations) const;

 private:
  struct Pairs {
    std::vector<double> within;   // [classes], mean over pairs of runs
    std::vector<double> between;  // [classes, classes], mean over runs
    double chance = 0;
  };
  Pairs pairs_of(int64_t gate) const;
  LayerStability summarise(const Pairs& pairs, uint64_t key) const;

  const std::vector<MaskTable>& masks_;
  int64_t classes_, gates_seen_ = 0;
  Pairs sums_;  // over the gates seen
};

}  // namespace nad
