// The vector of the hand-written convolutions, and what only they do with one. Included by vector_avx2.h,
// vector_avx512.h, vector_avx512_narrow.h and vector_amx.h, which define NAD_LANES for the instruction set that their
// file is compiled for, and add its register tile.
#pragma once

#include "kernels/cpu/inline.h"

namespace nad::cpu {
namespace {  // local to the file, as its instructions are

#include "kernels/cpu/lanes.h"

using L = Lanes<kLanes>;
using Vector = L::F;
constexpr int64_t kPanel = 2 * kLanes;  // columns of B (output channels) of a register tile

// What rows of A are packed as, a whole vector or two at a time. kGroup: values of k that are multiplied at once;
// rows are filled up with zeros.
struct Fp32Value {
  static constexpr int64_t kBytes = 4, kGroup = 1;
  static NAD_INLINE void put(char* p, Vector v) { L::store(reinterpret_cast<float*>(p), v); }
  static NAD_INLINE void put(char* p, Vector first, Vector second) {
    put(p, first);
    put(p + kLanes * kBytes, second);
  }
};
template <int64_t Group>
struct Bf16Value {
  static constexpr int64_t kBytes = 2, kGroup = Group;
  static NAD_INLINE void put(char* p, Vector v) { L::store_bf16(reinterpret_cast<uint16_t*>(p), v); }
  static NAD_INLINE void put(char* p, Vector first, Vector second) {
    L::store_bf16(reinterpret_cast<uint16_t*>(p), first, second);
  }
};

// The integers nearest to two vectors of floats, which fit 16 bits.
#if defined(__AVX512F__)
NAD_INLINE void store_int16(char* p, Vector first, Vector second) {
  alignas(64) static constexpr int16_t kLow[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                                   32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
  const __m512i a = _mm512_cvtps_epi32((__m512)first), b = _mm512_cvtps_epi32((__m512)second);
  _mm512_storeu_si512(p, _mm512_permutex2var_epi16(a, _mm512_load_si512(kLow), b));
}
#elif defined(__AVX2__)
NAD_INLINE void store_int16(char* p, Vector first, Vector second) {
  const __m256i a = _mm256_cvtps_epi32((__m256)first), b = _mm256_cvtps_epi32((__m256)second);
  const __m256i mixed = _mm256_packs_epi32(a, b);  // the low halves of both, then the high ones
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
}
#endif

}  // namespace
}  // namespace nad::cpu

#include "kernels/cpu/convolution/mask.h"
