// Which tensors come from memory and go there past the caches.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace nad::cpu {

// Floats that do not stay in the last cache until they are read again.
inline bool beyond_caches(int64_t floats) { return floats * 4 > int64_t{24} << 20; }

// Outputs of that size in whole aligned lines, written past the caches. They must not be read before.
inline bool streamable(const Tensor& y) {
  return beyond_caches(y.shape.pixels() * y.stride) && reinterpret_cast<uintptr_t>(y.data) % 64 == 0 &&
         y.stride % 16 == 0;
}

}  // namespace nad::cpu
