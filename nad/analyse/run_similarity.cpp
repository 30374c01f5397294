#include "nad/analyse/run_similarity.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "engine/rng.h"
#include "nad/analyse/class_pairs.h"

namespace nad {
namespace {

double mean_of_items(const std::vector<double>& values, std::span<const int64_t> items) {
  double sum = 0;
  for (const int64_t item : items) sum += values[item];
  return sum / static_cast<double>(items.size());
}

std::vector<int64_t> all_of(int64_t n) {
  std::vector<int64_t> items;
  for (int64_t i = 0; i < n; ++i) items.push_back(i);
  return items;
}

}  // namespace

double LayerStability::separation() const {
  if (!(chance < 1)) return std::numeric_limits<double>::quiet_NaN();
  return (within - between) / (1 - chance);
}

RunSimilarity::RunSimilarity(const std::vector<MaskTable>& masks)
    : masks_(masks), classes_(masks.empty() ? 0 : masks[0].classes()) {
  if (masks.size() < 2 || classes_ < 2) throw std::invalid_argument("RunSimilarity: two runs of two classes");
  sums_.within.assign(static_cast<size_t>(classes_), 0);
  sums_.between.assign(static_cast<size_t>(classes_ * classes_), 0);
}

RunSimilarity::Pairs RunSimilarity::pairs_of(int64_t gate) const {
  const auto runs = static_cast<double>(masks_.size());
  Pairs pairs;
  pairs.between.assign(static_cast<size_t>(classes_ * classes_), 0);
  for (const MaskTable& run : masks_) {
    const std::vector<double> matrix = pair_similarity(run, gate);
    for (size_t i = 0; i < matrix.size(); ++i) pairs.between[i] += matrix[i] / runs;
    pairs.chance += mean_chance(run, gate) / runs;
  }
  for (int64_t c = 0; c < classes_; ++c) {
    double sum = 0;
    for (size_t a = 0; a < masks_.size(); ++a) {
      for (size_t b = a + 1; b < masks_.size(); ++b) sum += jaccard(masks_[a], c, masks_[b], c, gate);
    }
    pairs.within.push_back(sum / (runs * (runs - 1) / 2));
  }
  return pairs;
}

LayerStability RunSimilarity::summarise(const Pairs& pairs, uint64_t key) const {
  const std::vector<int64_t> all = all_of(classes_);
  LayerStability s;
  s.within = mean_of_items(pairs.within, all);
  s.between = pair_mean(pairs.between, classes_, all);
  s.chance = pairs.chance;
  const auto within = [&](std::span<const int64_t> items) { return mean_of_items(pairs.within, items); };
  const auto between = [&](std::span<const int64_t> items) { return pair_mean(pairs.between, classes_, items); };
  s.within_interval = bootstrap(classes_, key, pair_bootstrap_draws(classes_), within);
  s.between_interval = pair_bootstrap(classes_, key, between);
  s.difference_interval =
      pair_bootstrap(classes_, key, [&](std::span<const int64_t> items) { return within(items) - between(items); });
  return s;
}

LayerStability RunSimilarity::of_gate(int64_t gate, uint64_t key) {
  const Pairs pairs = pairs_of(gate);
  for (size_t i = 0; i < pairs.within.size(); ++i) sums_.within[i] += pairs.within[i];
  for (size_t i = 0; i < pairs.between.size(); ++i) sums_.between[i] += pairs.between[i];
  sums_.chance += pairs.chance;
  ++gates_seen_;
  return summarise(pairs, key);
}

LayerStability RunSimilarity::mean_over_gates(uint64_t key) const {
  Pairs mean = sums_;
  const auto gates = static_cast<double>(gates_seen_);
  for (double& value : mean.within) value /= gates;
  for (double& value : mean.between) value /= gates;
  mean.chance /= gates;
  return summarise(mean, key);
}

double RunSimilarity::p_value_of_classes(uint64_t key, int64_t permutations) const {
  // alike[a, b]: class a in the first run with class b in the others, mean over gates and runs.
  std::vector<double> alike(static_cast<size_t>(classes_ * classes_), 0);
  for (int64_t a = 0; a < classes_; ++a) {
    for (int64_t b = 0; b < classes_; ++b) {
      double sum = 0;
      for (size_t run = 1; run < masks_.size(); ++run) {
        for (int64_t g = 0; g < masks_[0].gates(); ++g) sum += jaccard(masks_[0], a, masks_[run], b, g);
      }
      alike[a * classes_ + b] = sum;
    }
  }
  const auto total = [&](const std::vector<int64_t>& names) {
    double sum = 0;
    for (int64_t c = 0; c < classes_; ++c) sum += alike[c * classes_ + names[c]];
    return sum;
  };
  std::vector<double> draws;
  for (int64_t d = 0; d < permutations; ++d) {
    draws.push_back(total(permutation(classes_, random_key(key, static_cast<uint64_t>(d)))));
  }
  return p_value(total(all_of(classes_)), draws);
}

}  // namespace nad
