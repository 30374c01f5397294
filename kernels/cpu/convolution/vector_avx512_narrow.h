// The vector and the register tile of 16-bit products with AVX512-BF16 and AVX512-VNNI.
#pragma once

#include "kernels/cpu/convolution/vector_avx512_ops.h"

#define NAD_VECTOR avx512narrow

namespace nad::cpu {
namespace {

constexpr int64_t kTileRows = 14;
constexpr int64_t kAheadBytes = 64;
constexpr bool kIntegers = true;
constexpr bool kWholeTiles = false;
struct UnitsInUse {};

struct Value {  // bf16
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroup = 2;
  static void put(char* p, Vector v) { store_bf16(p, v); }
  static void put(char* p, Vector first, Vector second) { store_bf16(p, first, second); }
};

}  // namespace
}  // namespace nad::cpu
