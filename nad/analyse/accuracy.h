// Top-1 of a class's images: the original network and the class's hard sub-architecture (docs/METHOD.md section 5.1).
#pragma once

#include <functional>
#include <limits>

#include "nad/images/augment.h"
#include "nad/images/dataset.h"
#include "nad/learn/gated_forward.h"

namespace nad {

struct Accuracy {
  int64_t images = 0;
  double before = std::numeric_limits<double>::quiet_NaN();  // percent
  double after = std::numeric_limits<double>::quiet_NaN();
};

// The label of every image is images.index. forward: of two copies and two rows. gates:
// logits. workers: LoaderOptions::workers. `between` is called before every batch
// and may throw to stop. Throws Error(not_finite) where logits are not finite.
Accuracy class_accuracy(GatedForward& forward, const GateVectors& gates, const DecodedClass& images,
                        const Preprocessing& preprocessing, int workers, const std::function<void()>& between);

}  // namespace nad
