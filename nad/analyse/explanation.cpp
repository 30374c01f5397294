#include "nad/analyse/explanation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "nad/analyse/mistakes.h"

namespace nad {
namespace {

std::vector<SimilarClass> most_similar(const KnownSubArchitectures& known, int64_t row) {
  std::vector<SimilarClass> result;
  for (const int64_t other : by_similarity(known.similarity, known.count(), row)) {
    if (static_cast<int64_t>(result.size()) == kTop) break;
    result.push_back({known.classes[other], known.similarity[row * known.count() + other]});
  }
  return result;
}

std::vector<Prediction> top_predictions(const float* logits, int64_t classes, const KnownSubArchitectures& known) {
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min(classes, kTop);
  std::partial_sort(order.begin(), end, order.end(),
                    [&](int64_t a, int64_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  const double largest = logits[order[0]];
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
  std::vector<Prediction> result;
  for (auto i = order.begin(); i != end; ++i) {
    const int64_t row = known.find(*i);
    result.push_back({*i, std::exp(logits[*i] - largest) / sum, row >= 0,
                      row >= 0 ? most_similar(known, row) : std::vector<SimilarClass>()});
  }
  return result;
}

// Of a wrong answer, both with a sub-architecture.
void compare(Explanation& e, const KnownSubArchitectures& known, int64_t label, int64_t answer) {
  const int64_t n = known.count();
  const std::vector<int64_t> order = by_similarity(known.similarity, n, label);
  e.answer_similarity = known.similarity[label * n + answer];
  e.answer_rank = 1 + (std::find(order.begin(), order.end(), answer) - order.begin());
  double sum = 0;
  for (const int64_t other : order) sum += other == answer ? 0 : known.similarity[label * n + other];
  e.other_similarity = sum / static_cast<double>(n - 2);
  e.chance = std::min(1.0, static_cast<double>(kTop) / static_cast<double>(n - 1));
  e.verdict = e.answer_rank <= kTop ? Verdict::like_the_label : Verdict::unlike_the_label;
}

}  // namespace

int64_t KnownSubArchitectures::find(int64_t class_index) const {
  const auto at = std::lower_bound(classes.begin(), classes.end(), class_index);
  return at != classes.end() && *at == class_index ? at - classes.begin() : -1;
}

Explanation explain(const float* logits, int64_t classes, const KnownSubArchitectures& known, int64_t label) {
  if (!std::all_of(logits, logits + classes, [](float x) { return std::isfinite(x); })) {
    throw Error(ErrorKind::not_finite, "a logit of the original network is not finite",
                "check that mean and std of the weights file fit the network");
  }
  Explanation e;
  e.predictions = top_predictions(logits, classes, known);
  e.label = label;
  if (label < 0) return e;
  const int64_t answer = e.predictions[0].class_index;
  const int64_t label_row = known.find(label), answer_row = known.find(answer);
  if (label_row >= 0) e.similar_to_label = most_similar(known, label_row);
  if (answer == label) {
    e.verdict = Verdict::right;
  } else if (label_row < 0 || answer_row < 0 || known.count() < 3) {
    e.verdict = Verdict::no_comparison;
  } else {
    compare(e, known, label_row, answer_row);
  }
  return e;
}

}  // namespace nad
