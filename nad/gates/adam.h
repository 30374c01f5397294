// The state of Adam between two steps (docs/METHOD.md section 2a): what a class that is resumed brings along beside its
// logits.
#pragma once

#include <cstdint>

#include "nad/gates/gate_vectors.h"

namespace nad {

struct Moments {
  GateVectors mean, square;  // [gates][C]: of the gradient and of its square; empty: zeros
  int64_t steps = 0;         // that were not skipped

  bool operator==(const Moments&) const = default;
};

}  // namespace nad
