// The state of Adam between two steps (docs/METHOD.md section 2a): what a class that is resumed brings along beside its
// logits.
#pragma once

#include <cstdint>
#include <optional>

#include "nad/gates/gate_vectors.h"

namespace nad {

// What weighs the terms of a class's next step, and the means over its steps so far that move these weights: by how much
// other classes' images are answered as the class more often than by the original network (false_alarms), and by how
// much its own are, beyond what is demanded (surplus; OperatingPointArgs in kernels/learning_ops.h).
struct OperatingPoint {
  double beta = 0, lambda = 0, false_alarms = 0, surplus = 0;

  bool operator==(const OperatingPoint&) const = default;
};

struct Moments {
  GateVectors mean, square;             // [gates][C]: of the gradient and of its square; empty: zeros
  int64_t steps = 0;                    // that were not skipped
  std::optional<OperatingPoint> point;  // empty: as learning starts

  bool operator==(const Moments&) const = default;
};

}  // namespace nad
