// The vector and the register tile of the hand-written convolutions: AVX-512. vector_avx2.h and gemm_tile_amx.h have
// the same names for theirs.
#pragma once

#include "kernels/cpu/vector_avx512_ops.h"

#define NAD_VECTOR avx512  // the namespace of what is compiled with these vectors

namespace nad::cpu {
namespace {

constexpr int64_t kTileRows = 14;    // 14 x 2 sums, 2 vectors of B and 1 of A in 32 registers
constexpr int64_t kAheadBytes = 64;  // of the next weights, fetched every fourth step
constexpr bool kFp32Units = true, kBf16Units = true;
constexpr bool kWholeTiles = false;  // a tile reads and writes no more rows than it is given
struct UnitsInUse {};                // lives while tiles are multiplied

struct NarrowValue {  // bf16
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroup = 2;
  // Rounds to the nearest even by hand: the convolutions are compiled without BF16 instructions. NaN stays NaN.
  static void put(char* p, Mask mask, Vector v) {
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    _mm256_mask_storeu_epi16(p, mask, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
};

}  // namespace
}  // namespace nad::cpu
