// Means over pairs of classes, and how far they may be trusted where other classes had been drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "nad/analyse/similarity.h"
#include "nad/analyse/statistics.h"

namespace nad {

// [classes, classes]: the Jaccard similarity of two items' masks in one gate.
std::vector<double> pair_similarity(const MaskTable& masks, int64_t gate);

// 2,000, but 200 where each draw has more than 20,000 pairs to add up.
int64_t pair_bootstrap_draws(int64_t classes);

// The mean of the pairs a < b of a symmetric [classes, classes] matrix. items: classes, some several times, as a
// bootstrap draws them; pairs of a class with itself do not count. NaN where none is left.
double pair_mean(const std::vector<double>& matrix, int64_t classes, std::span<const int64_t> items);

// bootstrap() of a statistic of pairs of classes; {NaN, NaN} for fewer than four: a draw of three has one to three pairs.
inline constexpr int64_t kLeastClassesOfPairs = 4;
Interval pair_bootstrap(int64_t classes, uint64_t key,
                        const std::function<double(std::span<const int64_t>)>& statistic);

// The 95 % interval of that mean over classes.
Interval pair_mean_interval(const std::vector<double>& matrix, int64_t classes, uint64_t key);

}  // namespace nad
