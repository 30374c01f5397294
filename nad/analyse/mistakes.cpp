#include "nad/analyse/mistakes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/rng.h"

namespace nad {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double mean(double sum, int64_t count) { return count > 0 ? sum / static_cast<double>(count) : kNone; }

std::vector<int64_t> identity(int64_t n) {
  std::vector<int64_t> places(static_cast<size_t>(n));
  std::iota(places.begin(), places.end(), int64_t{0});
  return places;
}

struct Means {
  double mis = kNone, oth = kNone;
};

// Of class c, where class k takes the place places[k] in the matrix.
Means means_of(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity,
               const std::vector<int64_t>& places, int64_t c) {
  const auto classes = static_cast<int64_t>(places.size());
  double mis = 0, oth = 0;
  int64_t images = 0, others = 0;
  for (int64_t k = 0; k < classes; ++k) {
    if (k == c) continue;
    const int64_t count = mistaken[c * classes + k];
    const double alike = similarity[places[c] * classes + places[k]];
    mis += static_cast<double>(count) * alike;
    images += count;
    if (count > 0) continue;
    oth += alike;
    ++others;
  }
  return {mean(mis, images), mean(oth, others)};
}

}  // namespace

Mistakes explain_mistakes(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity,
                          int64_t classes, uint64_t key) {
  const std::vector<int64_t> places = identity(classes);
  Mistakes m;
  std::vector<double> differences;
  for (int64_t c = 0; c < classes; ++c) {
    const Means means = means_of(mistaken, similarity, places, c);
    m.mis.push_back(means.mis);
    m.oth.push_back(means.oth);
    if (std::isnan(means.mis - means.oth)) continue;
    m.mean_mis += means.mis;
    m.mean_oth += means.oth;
    differences.push_back(means.mis - means.oth);
  }
  m.classes = static_cast<int64_t>(differences.size());
  m.mean_mis = mean(m.mean_mis, m.classes);
  m.mean_oth = mean(m.mean_oth, m.classes);
  m.difference = m.mean_mis - m.mean_oth;
  m.interval = bootstrap_mean(differences, key);
  return m;
}

double mistakes_p_value(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity, int64_t classes,
                        uint64_t key, int64_t permutations) {
  const auto difference = [&](const std::vector<int64_t>& places) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const Means means = means_of(mistaken, similarity, places, c);
      if (std::isnan(means.mis - means.oth)) continue;
      sum += means.mis - means.oth;
      ++count;
    }
    return mean(sum, count);
  };
  std::vector<double> draws;
  for (int64_t d = 0; d < permutations; ++d) {
    draws.push_back(difference(permutation(classes, random_key(key, static_cast<uint64_t>(d)))));
  }
  return p_value(difference(identity(classes)), draws);
}

std::vector<int64_t> by_similarity(const std::vector<double>& similarity, int64_t classes, int64_t label) {
  std::vector<int64_t> order;
  for (int64_t k = 0; k < classes; ++k) {
    if (k != label) order.push_back(k);
  }
  const double* row = similarity.data() + label * classes;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return row[a] > row[b]; });
  return order;
}

AmongMostSimilar among_most_similar(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity,
                                    int64_t classes, int64_t k) {
  AmongMostSimilar result{k, 0, kNone, static_cast<double>(k) / static_cast<double>(classes - 1)};
  int64_t found = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const std::vector<int64_t> order = by_similarity(similarity, classes, c);
    for (size_t rank = 0; rank < order.size(); ++rank) {
      const int64_t count = mistaken[c * classes + order[rank]];
      result.mistakes += count;
      if (static_cast<int64_t>(rank) < k) found += count;
    }
  }
  if (result.mistakes > 0) result.share = static_cast<double>(found) / static_cast<double>(result.mistakes);
  return result;
}

}  // namespace nad
