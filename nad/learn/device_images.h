// Decoded images in the memory of a backend that augments them there.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/context.h"
#include "kernels/learning_ops.h"
#include "nad/images/augment.h"

namespace nad {

class DeviceImages {
 public:
  // Whether the backend can take them: none has more than kMaxAugmentSide a side, and together they take at most a
  // quarter of its free memory.
  static bool fit(Context& context, const std::vector<Image>& images);

  DeviceImages(Context& context, const std::vector<Image>& images);
  AugmentSample sample(int index, const Augmentation& augmentation) const;

 private:
  Buffer memory_;                      // one after the other
  std::vector<AugmentSample> images_;  // whole, not mirrored
};

}  // namespace nad
