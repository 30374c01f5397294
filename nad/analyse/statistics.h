// The estimates and tests that stand beside every figure (docs/METHOD.md, section 5a): intervals, ranks, p-values.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace nad {

struct Interval {
  double low = 0, high = 0;
};

// Wilson's score interval of a share, 95 %: hits of n. n = 0: [0, 1], nothing is known.
Interval wilson(int64_t hits, int64_t n);

// The chance that a score of `own` is larger than one of `others`, ties count half (Mann-Whitney's U / (n m), the
// area under the ROC curve). NaN where either is empty. PRECOND: no score is NaN.
double auroc(std::span<const float> own, std::span<const float> others);

// (1 + draws that are at least the observed value) / (1 + draws): a test by random draws, one-sided.
// NaN draws are left out; NaN where the observed value is NaN.
double p_value(double observed, std::span<const double> draws);

// Holm's step-down procedure: which hypotheses are rejected so that with probability 1 - level none is rejected
// wrongly. A NaN (a test that could not be made) is never rejected and counts as a hypothesis all the same.
std::vector<bool> holm(std::span<const double> p, double level = 0.05);

// The 95 % percentile interval of a statistic under resampling of n items with replacement: item i of draw d is
// index_below(random_key(key, d), i, n). statistic gets [n] indices. NaN draws are left out; {NaN, NaN} where none is
// left, and for fewer than two items, which say nothing of how much others would differ. Quantiles are interpolated linearly between order statistics, as numpy's.
Interval bootstrap(int64_t n, uint64_t key, int64_t draws,
                   const std::function<double(std::span<const int64_t>)>& statistic);
Interval bootstrap_mean(std::span<const double> values, uint64_t key, int64_t draws = 2000);

// The same of the mean of all values where groups are drawn with all that they hold: values of a group (as images of a
// class, which share its sub-architecture) are no independent witnesses. Groups count in growing order of their numbers; NaN
// values, and groups of nothing else, are left out. group_of: [values]
Interval bootstrap_mean_of_groups(std::span<const double> values, std::span<const int64_t> group_of, uint64_t key,
                                  int64_t draws = 2000);

// How likely a mean at least as large is where each value might as well have the other sign: value i of draw d is negated
// where the lowest bit of random_bits(random_key(key, d), i) is 1. One-sided; NaN without values. With n values no p is
// below about 2^-n.
double sign_flip_p_value(std::span<const double> values, uint64_t key, int64_t draws = 2000);

// Uniform in 0, ..., n - 1 by the counter generator (engine/rng.h): floor(n * u), u the upper 32 bits as a fraction.
int64_t index_below(uint64_t key, uint64_t counter, int64_t n);

// 0, ..., n - 1 in a random order: Fisher-Yates from the front, place i changes with i + index_below(key, i, n - i).
std::vector<int64_t> permutation(int64_t n, uint64_t key);

// Spearman's rank correlation: Pearson's of the ranks, tied values having their mean rank. NaN where either list is
// constant or shorter than 2.
double rank_correlation(std::span<const double> x, std::span<const double> y);

// The quantile q in [0, 1], interpolated linearly. PRECOND: sorted is not empty, ascending.
double quantile(std::span<const double> sorted, double q);

}  // namespace nad
