// The vector of the hand-written convolutions: AVX-512. vector_avx2.h has the same names in its own width. Everything
// here is local to the file that includes it, which is compiled for that instruction set.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define NAD_VECTOR avx512  // the namespace of what is compiled with these vectors

namespace nad::cpu {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kTileRows = 14;       // of a register tile: 14 x 2 sums, 2 vectors of B and 1 of A in 32 registers
constexpr int64_t kPanel = 2 * kLanes;  // columns of B (output channels) of a register tile
constexpr int64_t kAheadBytes = 64;     // of the next weights, fetched every fourth step
constexpr bool kBf16Units = true;

using Vector = __m512;
using Mask = __mmask16;

inline Mask tail_mask(int64_t count) {  // the first min(count, 16) lanes
  return count >= 16 ? static_cast<Mask>(0xffff) : static_cast<Mask>((1u << count) - 1);
}
inline Mask whole_mask() { return 0xffff; }
inline Mask no_mask() { return 0; }
inline bool is_whole(Mask mask) { return mask == 0xffff; }

inline Vector zeros() { return _mm512_setzero_ps(); }
inline Vector set(float s) { return _mm512_set1_ps(s); }
inline Vector load(const float* p) { return _mm512_loadu_ps(p); }
inline Vector load(Mask mask, const float* p) { return _mm512_maskz_loadu_ps(mask, p); }  // 0 elsewhere
inline Vector load_aligned(const char* p) { return _mm512_load_ps(p); }
inline void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
inline void store(float* p, Mask mask, Vector v) { _mm512_mask_storeu_ps(p, mask, v); }
inline void stream(float* p, Vector v) { _mm512_stream_ps(p, v); }

inline Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
inline Vector sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
inline Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
inline Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }  // b where one is NaN
inline Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector fnma(Vector a, Vector b, Vector c) { return _mm512_fnmadd_ps(a, b, c); }  // c - ab
inline Vector keep(Mask mask, Vector v) { return _mm512_maskz_mov_ps(mask, v); }
inline Vector keep_where_positive(Vector test, Vector v) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(test, _mm512_setzero_ps(), _CMP_GT_OQ), v);
}

// What rows of A are packed as.
struct Fp32Value {
  static constexpr int64_t kBytes = 4;
  static void put(char* p, Mask mask, Vector v) { store(reinterpret_cast<float*>(p), mask, v); }
};
struct NarrowValue {  // bf16
  static constexpr int64_t kBytes = 2;
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
