#include "nad/analyse/specificity.h"

#include <limits>

namespace nad {

AnswerCounts of_classes(AnswerCounts counts, const std::vector<bool>& keep) {
  for (size_t k = 0; k < counts.images.size(); ++k) {
    if (!keep[k]) counts.images[k] = counts.as_own[k] = counts.correct[k] = 0;
  }
  return counts;
}

Specificity specificity(const AnswerCounts& counts, int64_t own) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Specificity s;
  for (size_t k = 0; k < counts.images.size(); ++k) {
    if (static_cast<int64_t>(k) == own || counts.images[k] == 0) continue;
    const auto images = static_cast<double>(counts.images[k]);
    s.false_alarms += static_cast<double>(counts.as_own[k]) / images;
    s.others_right += static_cast<double>(counts.correct[k]) / images;
    s.other_images += counts.images[k];
    ++s.other_classes;
  }
  const auto others = static_cast<double>(s.other_classes);
  s.false_alarms = s.other_classes > 0 ? s.false_alarms / others : kNone;
  s.others_right = s.other_classes > 0 ? s.others_right / others : kNone;
  s.own_images = counts.images[own];
  s.own = s.own_images > 0 ? static_cast<double>(counts.as_own[own]) / static_cast<double>(s.own_images) : kNone;
  s.own_interval = wilson(counts.as_own[own], s.own_images);
  s.balanced_accuracy = (s.own + 1 - s.false_alarms) / 2;
  s.constant_answer = s.false_alarms > kConstantAnswer;  // NaN is not
  return s;
}

}  // namespace nad
