#include "nad/analyse/layer_trend.h"

#include <cmath>
#include <limits>

#include "engine/rng.h"
#include "nad/analyse/statistics.h"

namespace nad {

Trend falling_trend(const std::vector<double>& layers, uint64_t key) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> values, depth;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (std::isnan(layers[i])) continue;
    values.push_back(layers[i]);
    depth.push_back(static_cast<double>(i));
  }
  if (values.size() < 3) return {kNone, kNone};
  const double correlation = rank_correlation(depth, values);
  std::vector<double> draws;
  for (int64_t d = 0; d < kTrendPermutations; ++d) {
    const auto order = permutation(static_cast<int64_t>(values.size()), random_key(key, static_cast<uint64_t>(d)));
    const std::vector<double> shuffled(order.begin(), order.end());
    draws.push_back(-rank_correlation(shuffled, values));
  }
  return {correlation, p_value(-correlation, draws)};
}

}  // namespace nad
