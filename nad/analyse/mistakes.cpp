#include "nad/analyse/mistakes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nad {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double mean(double sum, int64_t count) { return count > 0 ? sum / static_cast<double>(count) : kNone; }

}  // namespace

Mistakes explain_mistakes(const std::vector<int64_t>& mistaken, const std::vector<double>& similarity,
                          int64_t classes, uint64_t key) {
  Mistakes m;
  std::vector<double> differences;
  for (int64_t c = 0; c < classes; ++c) {
    double mis = 0, oth = 0;
    int64_t images = 0, others = 0;
    for (int64_t k = 0; k < classes; ++k) {
      if (k == c) continue;
      const int64_t count = mistaken[c * classes + k];
      mis += static_cast<double>(count) * similarity[c * classes + k];
      images += count;
      if (count > 0) continue;
      oth += similarity[c * classes + k];
      ++others;
    }
    m.mis.push_back(mean(mis, images));
    m.oth.push_back(mean(oth, others));
    if (images == 0 || others == 0) continue;
    m.mean_mis += m.mis.back();
    m.mean_oth += m.oth.back();
    differences.push_back(m.mis.back() - m.oth.back());
  }
  m.classes = static_cast<int64_t>(differences.size());
  m.mean_mis = mean(m.mean_mis, m.classes);
  m.mean_oth = mean(m.mean_oth, m.classes);
  m.difference = m.mean_mis - m.mean_oth;
  m.interval = bootstrap_mean(differences, key);
  return m;
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
