// Central differences in double.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "engine/rng.h"

namespace nad::test {

// Compares d loss / d input(i) with gradient(i) for up to 16 coordinates, chosen by the name. Most ops are piecewise
// linear: their differences are exact up to rounding (about 1e-16 * loss / step), and the step is small enough to
// meet a kink hardly ever.
inline void check_gradient(const std::string& name, int64_t count, const std::function<double&(int64_t)>& input,
                           const std::function<double()>& loss, const std::function<double(int64_t)>& gradient) {
  constexpr double kStep = 1e-6, kTolerance = 1e-6;
  const uint64_t seed = hash_name(name);
  for (int64_t k = 0; k < std::min<int64_t>(count, 16); ++k) {
    const int64_t i =
        count <= 16
            ? k
            : static_cast<int64_t>(random_bits(seed, static_cast<uint64_t>(k)) % static_cast<uint64_t>(count));
    const double expected = gradient(i);
    double& x = input(i);
    const double middle = x;
    x = middle + kStep;
    const double above = loss();
    x = middle - kStep;
    const double below = loss();
    x = middle;
    const double difference = (above - below) / (2 * kStep);
    CHECK_MESSAGE(std::fabs(difference - expected) <= kTolerance * std::max(1.0, std::fabs(expected)), name,
                  " (seed ", seed, ") element ", i, ": gradient ", expected, ", central difference ", difference);
  }
}

}  // namespace nad::test
