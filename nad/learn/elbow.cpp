#include "nad/learn/elbow.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nad {
namespace {

constexpr int kOctaves = 4;              // of the default grid, to either side
constexpr double kStraight = 1e-6;       // a smaller distance from the chord is rounding
constexpr double kSmallestRange = 1e-9;  // relative to the loss itself: below it the loss does not depend on beta

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// To [0, 1]; empty where the values are all the same.
std::vector<double> normalised(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double range = *most - *least;
  if (range <= kSmallestRange * std::max(std::abs(*least), std::abs(*most))) return {};
  std::vector<double> result;
  for (const double v : values) result.push_back((v - *least) / range);
  return result;
}

}  // namespace

Elbow find_elbow(const std::vector<double>& reconstruction, const std::vector<double>& regularisation) {
  Elbow elbow;
  const auto none = [&](const char* why) {
    elbow.why = why;
    return elbow;
  };
  if (reconstruction.size() < 3 || reconstruction.size() != regularisation.size())
    return none("it has fewer than three points");
  if (!all_finite(reconstruction) || !all_finite(regularisation)) return none("not every point of it is known");
  const std::vector<double> x = normalised(reconstruction), y = normalised(regularisation);
  if (x.empty() || y.empty()) return none("it is flat, one of the losses does not depend on beta");
  const double dx = x.back() - x.front(), dy = y.back() - y.front();
  if (dx <= 0 || dy >= 0)
    return none("its ends are no trade-off: a larger beta did not exchange one loss for the other");

  const double length = std::hypot(dx, dy);
  for (size_t i = 0; i < x.size(); i++) {
    elbow.distance.push_back(((x[i] - x.front()) * dy - (y[i] - y.front()) * dx) / length);
  }
  const auto farthest = std::max_element(elbow.distance.begin(), elbow.distance.end());
  if (*farthest <= kStraight) return none("it has no point below the chord between its ends");
  elbow.point = static_cast<size_t>(farthest - elbow.distance.begin());
  return elbow;
}

double mean_of_last_tenth(const std::vector<double>& values) {
  const size_t wanted = std::min(values.size(), std::max<size_t>(1, values.size() / 10));
  double sum = 0;
  int64_t count = 0;
  for (size_t i = values.size() - wanted; i < values.size(); i++) {
    if (std::isnan(values[i])) continue;
    sum += values[i];
    count++;
  }
  return count ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> default_beta_grid(double beta) {
  std::vector<double> grid;
  for (int octave = -kOctaves; octave <= kOctaves; octave++) grid.push_back(std::ldexp(beta, octave));
  return grid;
}

}  // namespace nad
