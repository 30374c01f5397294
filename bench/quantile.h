// Order statistics of measured times.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace nad::bench {

// The value below which a share q of the values lies, 0 <= q <= 1. PRECOND: not empty.
inline double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}
inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }

}  // namespace nad::bench
