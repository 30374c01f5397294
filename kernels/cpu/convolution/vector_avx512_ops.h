// AVX-512's vector with the names that the hand-written convolutions use; vector_avx512.h,
// vector_avx512_narrow.h and vector_amx.h add their constants. Everything here is local to
// the file that includes it, which is compiled for that instruction set.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace nad::cpu {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kPanel = 2 * kLanes;  // columns of B (output channels) of a register tile

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

// a > b ? yes : no, lane by lane.
inline Vector where_greater(Vector a, Vector b, Vector yes, Vector no) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
// Small whole numbers as bytes.
inline void store_bytes(uint8_t* p, Mask mask, Vector v) {
  _mm_mask_storeu_epi8(p, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}
// *p where the byte beside it equals `value`, else 0.
inline Vector load_where_equal(Mask mask, const float* p, const uint8_t* bytes, int value) {
  const __m128i b = _mm_maskz_loadu_epi8(mask, bytes);
  return load(_mm_mask_cmpeq_epi8_mask(mask, b, _mm_set1_epi8(static_cast<char>(value))), p);
}
inline float sum(Vector v) { return _mm512_reduce_add_ps(v); }
inline Vector sqrt(Vector v) { return _mm512_sqrt_ps(v); }
inline Vector div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
// The integers nearest to `scale` times two vectors of floats, which fit 16 bits.
inline void store_int16(char* p, const float* from, Vector scale) {
  alignas(64) static constexpr int16_t kLow[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                                                   32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
  const __m512i a = _mm512_cvtps_epi32(mul(load(from), scale));
  const __m512i b = _mm512_cvtps_epi32(mul(load(from + kLanes), scale));
  _mm512_storeu_si512(p, _mm512_permutex2var_epi16(a, _mm512_load_si512(kLow), b));
}
#ifdef __AVX512BF16__
// Rounds to the nearest, ties to even. NaN stays NaN.
inline void store_bf16(char* p, Vector v) {
  const __m256bh narrow = _mm512_cvtneps_pbh(v);
  __m256i bits;
  __builtin_memcpy(&bits, &narrow, sizeof bits);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bits);
}
inline void store_bf16(char* p, Vector first, Vector second) {
  const __m512bh narrow = _mm512_cvtne2ps_pbh(second, first);
  __builtin_memcpy(p, &narrow, sizeof narrow);
}
#endif

// What rows of A are packed as, a whole vector at a time.
struct Fp32Value {
  static constexpr int64_t kBytes = 4;
  static constexpr int64_t kGroup = 1;  // values of k that are multiplied at once: rows are filled up with zeros
  static void put(char* p, Vector v) { store(reinterpret_cast<float*>(p), v); }
  static void put(char* p, Vector first, Vector second) {
    put(p, first);
    put(p + kLanes * kBytes, second);
  }
};
}  // namespace
}  // namespace nad::cpu
