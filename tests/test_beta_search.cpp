// The elbow of a trade-off curve, and what --beta auto makes of losses.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "nad/learn/elbow.h"

using namespace nad;

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::vector<double> scaled(std::vector<double> values, double factor, double offset) {
  for (double& v : values) v = factor * v + offset;
  return values;
}

}  // namespace

TEST_CASE("the corner of an L is the elbow, at its distance from the chord") {
  const Elbow e = find_elbow({0, 0, 0, 0.5, 1}, {1, 0.5, 0, 0, 0});
  REQUIRE(e.point.has_value());
  CHECK(*e.point == 2);
  CHECK(e.why == "");
  REQUIRE(e.distance.size() == 5);
  CHECK(e.distance[0] == doctest::Approx(0));
  CHECK(e.distance[1] == doctest::Approx(0.25 * std::sqrt(2)));
  CHECK(e.distance[2] == doctest::Approx(0.5 * std::sqrt(2)));
  CHECK(e.distance[3] == doctest::Approx(0.25 * std::sqrt(2)));
  CHECK(e.distance[4] == doctest::Approx(0));
}

TEST_CASE("on 1/x the elbow is where the normalised slope is -1, whatever the units") {
  // (x, 1/x) for x from 1/8 to 8 in powers of sqrt(2): symmetrical, the middle point x = 1.
  std::vector<double> first, regular;
  for (int i = -6; i <= 6; i++) {
    first.push_back(std::pow(2.0, i / 2.0));
    regular.push_back(1 / first.back());
  }
  const Elbow e = find_elbow(first, regular);
  CHECK(e.point == size_t{6});
  // Normalised, the point is (a, a) with a = (1 - 1/8) / (8 - 1/8) = 1/9.
  CHECK(e.distance[6] == doctest::Approx((1 - 2.0 / 9) / std::sqrt(2)));
  CHECK(e.distance[5] == doctest::Approx(e.distance[7]));
  const Elbow other = find_elbow(scaled(first, 1e-4, 7), scaled(regular, 300, -2));
  CHECK(other.point == e.point);
  for (size_t i = 0; i < first.size(); i++) {
    CHECK(other.distance[i] == doctest::Approx(e.distance[i]).epsilon(1e-6));
  }
}

TEST_CASE("a point beyond the chord is noise, however far") {
  const Elbow e = find_elbow({0, 0.9, 0.4, 1}, {1, 0.9, 0.4, 0});
  CHECK(e.point == size_t{2});
  CHECK(e.distance[1] < -e.distance[2]);
}

TEST_CASE("the extremes of a noisy curve need not be its ends") {
  // Both losses normalised by their ranges, the chord between first and last point.
  const std::vector<double> first = {0.1, 0.0, 0.2, 1.0}, regular = {0.9, 1.0, 0.2, 0.0};
  const Elbow e = find_elbow(first, regular);
  REQUIRE(e.point == size_t{2});
  CHECK(e.distance[2] == doctest::Approx((0.7 * 0.9 - 0.1 * 0.9) / std::hypot(0.9, 0.9)));
}

TEST_CASE("degenerate curves have no elbow and say why") {
  const std::vector<double> down = {3, 2, 1.5}, up = {1, 2, 2.5};
  const auto why = [](const std::vector<double>& first, const std::vector<double>& regular) {
    const Elbow e = find_elbow(first, regular);
    CHECK_FALSE(e.point.has_value());
    return e.why;
  };
  CHECK(why({}, {}).find("three points") != std::string::npos);
  CHECK(why({0, 1}, {1, 0}).find("three points") != std::string::npos);
  CHECK(why(up, {3, 2}).find("three points") != std::string::npos);
  CHECK(why({1, kNone, 2}, down).find("known") != std::string::npos);
  CHECK(why(up, {3, 2, std::numeric_limits<double>::infinity()}).find("known") != std::string::npos);
  CHECK(why({2, 2, 2}, down).find("flat") != std::string::npos);
  CHECK(why(up, {1e-3, 1e-3, 1e-3}).find("flat") != std::string::npos);
  CHECK(why(down, down).find("no trade-off") != std::string::npos);
  CHECK(why(up, up).find("no trade-off") != std::string::npos);
  CHECK(why({1, 2, 1}, down).find("no trade-off") != std::string::npos);
  CHECK(why({0, 1, 2, 3}, {6, 4, 2, 0}).find("chord") != std::string::npos);  // straight
  CHECK(why({0, 2, 3}, {3, 2, 0}).find("chord") != std::string::npos);        // bent the wrong way
}

TEST_CASE("the mean of the last tenth leaves skipped steps out") {
  CHECK(std::isnan(mean_of_last_tenth({})));
  CHECK(mean_of_last_tenth({5}) == 5);
  CHECK(mean_of_last_tenth({1, 2, 3}) == 3);
  std::vector<double> values;
  for (int i = 0; i < 40; i++) values.push_back(i);
  CHECK(mean_of_last_tenth(values) == 37.5);  // 36 to 39
  values[39] = kNone;
  CHECK(mean_of_last_tenth(values) == 37);
  std::fill(values.begin() + 36, values.end(), kNone);
  CHECK(std::isnan(mean_of_last_tenth(values)));
  CHECK(mean_of_last_tenth(std::vector<double>(19, 2.0)) == 2);
}

TEST_CASE("the default grid is nine octaves around the default") {
  const std::vector<double> grid = default_beta_grid(0.02);
  REQUIRE(grid.size() == 9);
  CHECK(grid[4] == 0.02);
  CHECK(grid[0] == 0.02 / 16);
  CHECK(grid[8] == 0.02 * 16);
  for (size_t i = 1; i < grid.size(); i++) CHECK(grid[i] == 2 * grid[i - 1]);
}
