// The ten bins of the paper's Fig. 2: [0, 10], (10, 20], ..., (90, 100] percent.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace nad {

// How many values are in each bin. percents: 0 to 100; NaN (not measured) is in none.
std::array<int64_t, 10> accuracy_histogram(std::span<const double> percents);

}  // namespace nad
