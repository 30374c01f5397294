// What networks answer: the class of the largest logit.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "nad/analyse/specificity.h"
#include "nad/images/augment.h"
#include "nad/images/image_pool.h"
#include "nad/learn/gated_forward.h"

namespace nad {

// The class of every row's largest logit, the first of equal ones. logits: [count, classes]. Throws Error(not_finite)
// where a logit is not finite.
std::vector<int64_t> answers(const float* logits, int64_t count, int64_t classes);

// Throws Error(not_finite) where a logit is not finite. logits: [classes]
void check_finite(const float* logits, int64_t classes);

// Images ready for the network, with their classes.
struct LabelledPixels {
  std::vector<int64_t> labels;  // [n]
  std::vector<float> pixels;    // [n, S, S, 3]
  int64_t size = 0;             // S
};
LabelledPixels prepare(const ImagePool& pool, int64_t size, const Preprocessing& preprocessing);

// What the hard sub-architecture of class `own` answers to those of the images that
// are of other classes. forward: of two copies and two rows. gates: logits. `between`
// is called before every batch and may throw to stop. Throws Error(not_finite).
AnswerCounts answers_to_others(GatedForward& forward, const GateVectors& gates, const LabelledPixels& images,
                               int64_t own, const std::function<void()>& between);

}  // namespace nad
