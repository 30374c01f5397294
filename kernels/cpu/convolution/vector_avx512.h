// The vector and the register tile of the hand-written convolutions: AVX-512. vector_avx512_narrow.h, vector_avx2.h
// and tile_amx.h have the same names for theirs.
#pragma once

#define NAD_LANES 16
#include "kernels/cpu/convolution/vector.h"

#define NAD_VECTOR avx512  // the namespace of what is compiled with these vectors

namespace nad::cpu {
namespace {

constexpr int64_t kTileRows = 14;    // 14 x 2 sums, 2 vectors of B and 1 of A in 32 registers
constexpr int64_t kAheadBytes = 64;  // of the next weights, fetched every fourth step
constexpr bool kIntegers = false;    // products of Winograd's transforms are of 16-bit integers
constexpr bool kWholeTiles = false;  // a tile reads and writes no more rows than it is given
struct UnitsInUse {};                // lives while tiles are multiplied
using Value = Fp32Value;             // what the implicit GEMM multiplies

}  // namespace
}  // namespace nad::cpu
