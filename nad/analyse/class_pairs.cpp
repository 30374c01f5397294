#include "nad/analyse/class_pairs.h"

#include <limits>

namespace nad {

std::vector<double> pair_similarity(const MaskTable& masks, int64_t gate) {
  const int64_t n = masks.classes();
  std::vector<double> matrix(static_cast<size_t>(n * n), 1.0);
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = a + 1; b < n; ++b) matrix[a * n + b] = matrix[b * n + a] = masks.jaccard(a, b, gate);
  }
  return matrix;
}

int64_t pair_bootstrap_draws(int64_t classes) { return classes * (classes - 1) / 2 > 20'000 ? 200 : 2000; }

double pair_mean(const std::vector<double>& matrix, int64_t classes, std::span<const int64_t> items) {
  std::vector<double> times(static_cast<size_t>(classes), 0);
  for (const int64_t item : items) times[item] += 1;
  double sum = 0, pairs = 0;
  for (int64_t a = 0; a < classes; ++a) {
    if (times[a] == 0) continue;
    double of_a = 0, others = 0;
    for (int64_t b = a + 1; b < classes; ++b) {
      of_a += times[b] * matrix[a * classes + b];
      others += times[b];
    }
    sum += times[a] * of_a;
    pairs += times[a] * others;
  }
  return pairs > 0 ? sum / pairs : std::numeric_limits<double>::quiet_NaN();
}

Interval pair_bootstrap(int64_t classes, uint64_t key,
                        const std::function<double(std::span<const int64_t>)>& statistic) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (classes < kLeastClassesOfPairs) return {kNone, kNone};
  return bootstrap(classes, key, pair_bootstrap_draws(classes), statistic);
}

Interval pair_mean_interval(const std::vector<double>& matrix, int64_t classes, uint64_t key) {
  return pair_bootstrap(classes, key,
                        [&](std::span<const int64_t> items) { return pair_mean(matrix, classes, items); });
}

}  // namespace nad
