// Why networks misjudge (docs/METHOD.md, section 5.5; the paper's Table 1): are the classes that a class is mistaken
// for those with similar sub-architectures?
#pragma once

#include <cstdint>
#include <vector>

#include "nad/analyse/statistics.h"

namespace nad {

// mistaken[c * classes + k]: images of class c that the original network answers k, k != c.
struct Mistakes {
  // [classes], similarities in [0, 1]. NaN: never mistaken for a class of the table (mis), or for all of them (oth).
  std::vector<double> mis;  // mean over the mistaken images of the similarity with the answer
  std::vector<double> oth;  // mean over the classes that it is never mistaken for
  // Over the classes that have both: the means, and mis - oth with its bootstrap interval over classes.
  int64_t classes = 0;
  double mean_mis = 0, mean_oth = 0, difference = 0;
  Interval interval;
};

// similarity: [classes, classes] (nad/analyse/similarity.h).
Mistakes explain_mistakes(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity,
                          int64_t classes, uint64_t key);

// How likely a mean difference at least as large is where mistakes have nothing to do with similarity: the classes of
// the similarity matrix change places, in `permutations` random ways. One-sided; NaN where there is no difference.
double mistakes_p_value(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity, int64_t classes,
                        uint64_t key, int64_t permutations);

// The share of mistaken images whose answer is among the k classes that are most similar to the label (of equally
// similar ones the first in class order), and what chance gives, k / (classes - 1). NaN without a mistake.
struct AmongMostSimilar {
  int64_t k = 0, mistakes = 0;
  double share = 0, chance = 0;
};
AmongMostSimilar among_most_similar(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity,
                                    int64_t classes, int64_t k);

// The other classes, the most similar to `label` first. [classes - 1]
std::vector<int64_t> by_similarity(const std::vector<double>& similarity, int64_t classes, int64_t label);

}  // namespace nad
