// Uniform whole numbers from the counter generator (engine/rng.h).
#pragma once

#include <cstdint>

#include "engine/rng.h"

namespace nad {

// In {0, ..., n - 1}; n below 2^32, at a bias of n / 2^32 at most.
inline int64_t draw_below(uint64_t key, uint64_t counter, int64_t n) {
  return static_cast<int64_t>((random_bits(key, counter) >> 32) * static_cast<uint64_t>(n) >> 32);
}

}  // namespace nad
