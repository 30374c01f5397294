#include "nad/analyse/histogram.h"

#include <algorithm>
#include <cmath>

namespace nad {

std::array<int64_t, 10> accuracy_histogram(std::span<const double> percents) {
  std::array<int64_t, 10> bins{};
  for (const double percent : percents) {
    if (std::isnan(percent)) continue;
    const auto bin = static_cast<int64_t>(std::ceil(percent / 10)) - 1;  // a border belongs to the bin below it
    ++bins[static_cast<size_t>(std::clamp<int64_t>(bin, 0, 9))];
  }
  return bins;
}

}  // namespace nad
