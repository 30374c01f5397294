// The vector and the register tile of 16-bit products with AVX512-BF16 and AVX512-VNNI.
#pragma once

#define NAD_LANES 16
#include "kernels/cpu/convolution/vector.h"

#define NAD_VECTOR avx512narrow

namespace nad::cpu {
namespace {

constexpr int64_t kTileRows = 14;
constexpr int64_t kAheadBytes = 64;
constexpr bool kIntegers = true;
constexpr bool kWholeTiles = false;
struct UnitsInUse {};
using Value = Bf16Value<2>;

}  // namespace
}  // namespace nad::cpu
