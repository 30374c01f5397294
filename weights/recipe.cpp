#include "weights/recipe.h"

#include <atomic>
#include <bit>

#include "engine/parallel.h"
#include "engine/rng.h"

namespace nad {

std::vector<float> recipe_values(const std::string& name, uint64_t seed, float bound, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  const uint64_t key = hash_name(name) ^ seed;
  parallel_for(count, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const auto top = static_cast<int32_t>(random_bits(key, static_cast<uint64_t>(i)) >> 40);
      values[static_cast<size_t>(i)] = (static_cast<float>(top - (1 << 23)) * 0x1p-23f) * bound;
    }
  });
  return values;
}

uint64_t recipe_checksum(const std::vector<float>& values) {
  std::atomic<uint64_t> total{0};  // sums modulo 2^64 do not depend on the order of the parts
  parallel_for(static_cast<int64_t>(values.size()), [&](int64_t begin, int64_t end, int) {
    uint64_t sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t weight = (static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15ull | 1;
      sum += std::bit_cast<uint32_t>(values[static_cast<size_t>(i)]) * weight;
    }
    total += sum;
  });
  return total;
}

}  // namespace nad
