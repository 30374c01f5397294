// The vector and the register tile of the hand-written convolutions: AVX2 and FMA. The names are explained in
// vector_avx512.h.
#pragma once

#define NAD_LANES 8
#include "kernels/cpu/convolution/vector.h"

#ifndef NAD_INTEGERS  // for products of 16-bit integers: 1, defined before this is included
#define NAD_INTEGERS 0
#define NAD_VECTOR avx2
#else
#define NAD_VECTOR avx2narrow
#endif

namespace nad::cpu {
namespace {

constexpr int64_t kTileRows = 6;  // 6 x 2 sums, 2 vectors of B and 1 of A in 16 registers
constexpr int64_t kAheadBytes = 16;
constexpr bool kIntegers = NAD_INTEGERS;
constexpr bool kWholeTiles = false;
struct UnitsInUse {};
using Value = Fp32Value;

}  // namespace
}  // namespace nad::cpu
