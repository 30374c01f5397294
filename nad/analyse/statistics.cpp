#include "nad/analyse/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "engine/rng.h"

namespace nad {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kTwoSided95 = 1.959963984540054;  // quantile 0.975 of the standard normal

// From 0; tied values share the mean of their ranks.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) rank[order[i]] = static_cast<double>(begin + end - 1) / 2;
  }
  return rank;
}

}  // namespace

Interval wilson(int64_t hits, int64_t n) {
  if (n == 0) return {0, 1};
  const double count = static_cast<double>(n), share = static_cast<double>(hits) / count;
  const double z2 = kTwoSided95 * kTwoSided95;
  const double center = (share + z2 / (2 * count)) / (1 + z2 / count);
  const double half =
      kTwoSided95 / (1 + z2 / count) * std::sqrt(share * (1 - share) / count + z2 / (4 * count * count));
  return {hits == 0 ? 0.0 : center - half, hits == n ? 1.0 : center + half};
}

double auroc(std::span<const float> own, std::span<const float> others) {
  if (own.empty() || others.empty()) return kNone;
  std::vector<float> sorted(others.begin(), others.end());
  std::sort(sorted.begin(), sorted.end());
  double pairs = 0;  // in which `own` wins; a tie is half of one
  for (const float score : own) {
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), score);
    pairs += static_cast<double>(first - sorted.begin()) + 0.5 * static_cast<double>(last - first);
  }
  return pairs / (static_cast<double>(own.size()) * static_cast<double>(others.size()));
}

double p_value(double observed, std::span<const double> draws) {
  if (std::isnan(observed)) return kNone;
  const auto extreme = std::count_if(draws.begin(), draws.end(), [&](double draw) { return draw >= observed; });
  const auto none = std::count_if(draws.begin(), draws.end(), [](double draw) { return std::isnan(draw); });
  return (1.0 + static_cast<double>(extreme)) / (1.0 + static_cast<double>(draws.size()) - static_cast<double>(none));
}

std::vector<bool> holm(std::span<const double> p, double level) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto value = [&](size_t i) { return std::isnan(p[i]) ? std::numeric_limits<double>::infinity() : p[i]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return value(a) < value(b); });
  std::vector<bool> rejected(p.size(), false);
  for (size_t k = 0; k < order.size(); ++k) {
    if (!(value(order[k]) <= level / static_cast<double>(p.size() - k))) break;
    rejected[order[k]] = true;
  }
  return rejected;
}

int64_t index_below(uint64_t key, uint64_t counter, int64_t n) {
  return static_cast<int64_t>(((random_bits(key, counter) >> 32) * static_cast<uint64_t>(n)) >> 32);
}

std::vector<int64_t> permutation(int64_t n, uint64_t key) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = 0; i < n; ++i) std::swap(order[i], order[i + index_below(key, static_cast<uint64_t>(i), n - i)]);
  return order;
}

double rank_correlation(std::span<const double> x, std::span<const double> y) {
  const std::vector<double> a = ranks(x), b = ranks(y);
  const double middle = (static_cast<double>(a.size()) - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - middle) * (b[i] - middle);
    aa += (a[i] - middle) * (a[i] - middle);
    bb += (b[i] - middle) * (b[i] - middle);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : kNone;
}

double quantile(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Interval bootstrap(int64_t n, uint64_t key, int64_t draws,
                   const std::function<double(std::span<const int64_t>)>& statistic) {
  if (n < 2) return {kNone, kNone};
  std::vector<int64_t> items(static_cast<size_t>(n));
  std::vector<double> values;
  for (int64_t d = 0; d < draws; ++d) {
    const uint64_t draw_key = random_key(key, static_cast<uint64_t>(d));
    for (int64_t i = 0; i < n; ++i) items[i] = index_below(draw_key, static_cast<uint64_t>(i), n);
    const double value = statistic(items);
    if (!std::isnan(value)) values.push_back(value);
  }
  if (values.empty()) return {kNone, kNone};
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

Interval bootstrap_mean(std::span<const double> values, uint64_t key, int64_t draws) {
  const auto n = static_cast<int64_t>(values.size());
  return bootstrap(n, key, draws, [&](std::span<const int64_t> items) {
    double sum = 0;
    for (const int64_t i : items) sum += values[i];
    return sum / static_cast<double>(n);
  });
}

Interval bootstrap_mean_of_groups(std::span<const double> values, std::span<const int64_t> group_of, uint64_t key,
                                  int64_t draws) {
  std::map<int64_t, std::pair<double, double>> groups;  // sum and number of what each holds
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    groups[group_of[i]].first += values[i];
    groups[group_of[i]].second += 1;
  }
  std::vector<std::pair<double, double>> of;
  for (const auto& [number, group] : groups) of.push_back(group);
  return bootstrap(static_cast<int64_t>(of.size()), key, draws, [&](std::span<const int64_t> items) {
    double sum = 0, count = 0;
    for (const int64_t i : items) {
      sum += of[i].first;
      count += of[i].second;
    }
    return sum / count;
  });
}

double sign_flip_p_value(std::span<const double> values, uint64_t key, int64_t draws) {
  if (values.empty()) return kNone;
  std::vector<double> sums;
  for (int64_t d = 0; d < draws; ++d) {
    const uint64_t draw_key = random_key(key, static_cast<uint64_t>(d));
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += random_bits(draw_key, i) & 1 ? -values[i] : values[i];
    sums.push_back(sum);
  }
  return p_value(std::accumulate(values.begin(), values.end(), 0.0), sums);
}

}  // namespace nad
