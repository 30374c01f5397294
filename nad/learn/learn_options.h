// What a learner is made with.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/learning_ops.h"
#include "nad/gates/batch_rows.h"

namespace nad {

struct LearnOptions {
  Objective objective = Objective::released;
  SpecificTarget target = SpecificTarget::named_class;  // specific
  double beta = 0;
  double lambda = 1;  // specific: weight of the images of other classes, at the start
  // specific: the share of other classes' images, beyond the original's, at which lambda holds the false alarms, below 1;
  // 0: lr, beta and lambda stay as they are.
  double max_false_alarms = 0;
  double lr = 0.1;
  int64_t slots = 1;         // G, classes per step
  int64_t batch = 16;        // B, images of its own per class and step
  bool whole_batch = false;  // K (section 2) is the whole batch, not only what the original gets right (section 5a.6)
  bool given_noise = false;  // variational: noise comes from set_noise() instead of the generator
  bool fold_batchnorm = true;
  // [3, 256] of nad/images/augment.h: the step augments images
  // itself (set_batch with draws). Empty: batches are pixels only.
  std::vector<float> byte_values;
  Interpolation interpolation = Interpolation::bilinear;  // of that

  bool correct_only() const { return uses_taps(objective) && !whole_batch; }
  bool follows_limit() const { return objective == Objective::specific && max_false_alarms > 0; }
  bool noisy() const { return objective == Objective::variational; }
  bool shows_others() const {
    return objective == Objective::specific;
  }  // B images of other classes beside the B own
  LearningRows rows() const { return {slots, shows_others() ? 2 * batch : batch, noisy()}; }
};

inline constexpr int64_t kMaxAugmentSide = 4096;  // pixels of an image that a step augments
inline constexpr int64_t kLossHistory = 64;       // steps whose losses a learner keeps on the device

}  // namespace nad
