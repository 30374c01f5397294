// Does a sub-architecture know its class, or does it answer it whatever it is shown? (docs/METHOD.md, section 5a.1)
// Own-class accuracy alone cannot tell: a constant answer has 100 %.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nad/analyse/statistics.h"

namespace nad {

// What one network (a sub-architecture of class c, or the original) answered to the images of the classes k.
struct AnswerCounts {
  std::vector<int64_t> images;   // [classes], shown of each class
  std::vector<int64_t> as_own;   // [classes], answered c
  std::vector<int64_t> correct;  // [classes], answered k
};

// False-alarm rates above this make a class a constant answer.
inline constexpr double kConstantAnswer = 0.5;

// Shares in [0, 1]; NaN where there are no images for it.
struct Specificity {
  double own = 0;  // of c's images answered c
  Interval own_interval;
  double false_alarms = 0;       // mean over the other classes of their images answered c
  double others_right = 0;       // mean over the other classes of their images answered right
  double balanced_accuracy = 0;  // (own + 1 - false alarms) / 2
  bool constant_answer = false;
  int64_t own_images = 0, other_images = 0, other_classes = 0;
};

// What was answered to the images of some of the classes. keep: [classes].
AnswerCounts of_classes(AnswerCounts counts, const std::vector<bool>& keep);

// own: the place of class c in the counts. Classes without images do not count.
Specificity specificity(const AnswerCounts& counts, int64_t own);

}  // namespace nad
