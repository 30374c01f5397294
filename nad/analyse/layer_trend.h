// Whether a figure falls from the first layer to the last.
#pragma once

#include <cstdint>
#include <vector>

namespace nad {

struct Trend {
  double correlation = 0;  // Spearman's with depth
  double p = 0;            // of one at most as large where the layers are in a random order; NaN: not tested
};

inline constexpr int64_t kTrendPermutations = 9999;

// layers: a value a layer, NaN where there is none. With less than three values both numbers are NaN.
Trend falling_trend(const std::vector<double>& layers, uint64_t key);

}  // namespace nad
