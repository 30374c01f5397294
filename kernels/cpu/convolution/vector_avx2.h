// The vector of the hand-written convolutions: AVX2 and FMA. The
// names are explained in vector_avx512.h and vector_avx512_ops.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#ifndef NAD_INTEGERS  // for products of 16-bit integers: 1, defined before this is included
#define NAD_INTEGERS 0
#define NAD_VECTOR avx2
#else
#define NAD_VECTOR avx2narrow
#endif

namespace nad::cpu {
namespace {

constexpr int64_t kLanes = 8;
constexpr int64_t kTileRows = 6;  // 6 x 2 sums, 2 vectors of B and 1 of A in 16 registers
constexpr int64_t kPanel = 2 * kLanes;
constexpr int64_t kAheadBytes = 16;
constexpr bool kIntegers = NAD_INTEGERS;
constexpr bool kWholeTiles = false;
struct UnitsInUse {};

using Vector = __m256;
struct Mask {
  __m256i lanes;
  bool whole;  // then plain loads and stores: masked stores are slow on AMD's processors
};

inline Mask tail_mask(int64_t count) {
  alignas(32) static constexpr int32_t kEnds[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const int64_t lanes = count >= 8 ? 8 : count;
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(kEnds + 8 - lanes)), count >= 8};
}
inline Mask whole_mask() { return {_mm256_set1_epi32(-1), true}; }
inline Mask no_mask() { return {_mm256_setzero_si256(), false}; }
inline bool is_whole(const Mask& mask) { return mask.whole; }

inline Vector zeros() { return _mm256_setzero_ps(); }
inline Vector set(float s) { return _mm256_set1_ps(s); }
inline Vector load(const float* p) { return _mm256_loadu_ps(p); }
inline Vector load(const Mask& mask, const float* p) {
  return mask.whole ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask.lanes);
}
inline Vector load_aligned(const char* p) { return _mm256_load_ps(reinterpret_cast<const float*>(p)); }
inline void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
inline void store(float* p, const Mask& mask, Vector v) {
  mask.whole ? _mm256_storeu_ps(p, v) : _mm256_maskstore_ps(p, mask.lanes, v);
}
inline void stream(float* p, Vector v) { _mm256_stream_ps(p, v); }

inline Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
inline Vector sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
inline Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
inline Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector fnma(Vector a, Vector b, Vector c) { return _mm256_fnmadd_ps(a, b, c); }
inline Vector keep(const Mask& mask, Vector v) { return _mm256_and_ps(_mm256_castsi256_ps(mask.lanes), v); }
inline Vector keep_where_positive(Vector test, Vector v) {
  return _mm256_and_ps(_mm256_cmp_ps(test, _mm256_setzero_ps(), _CMP_GT_OQ), v);
}

inline size_t count_of(const Mask& mask) {
  const int lanes = _mm256_movemask_ps(_mm256_castsi256_ps(mask.lanes));
  return mask.whole ? 8 : static_cast<size_t>(__builtin_popcount(static_cast<unsigned>(lanes)));
}
inline Vector where_greater(Vector a, Vector b, Vector yes, Vector no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
inline void store_bytes(uint8_t* p, const Mask& mask, Vector v) {
  const __m256i words = _mm256_cvtps_epi32(v);
  const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  alignas(16) uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), _mm_packus_epi16(halves, halves));
  __builtin_memcpy(p, bytes, count_of(mask));
}
inline Vector load_where_equal(const Mask& mask, const float* p, const uint8_t* bytes, int value) {
  uint64_t eight = 0;
  __builtin_memcpy(&eight, bytes, count_of(mask));
  const __m256i b = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(eight)));
  const __m256i equal = _mm256_cmpeq_epi32(b, _mm256_set1_epi32(value));
  return _mm256_and_ps(_mm256_castsi256_ps(equal), load(mask, p));
}
inline float sum(Vector v) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
}
inline Vector sqrt(Vector v) { return _mm256_sqrt_ps(v); }
inline Vector div(Vector a, Vector b) { return _mm256_div_ps(a, b); }
// The integers nearest to `scale` times two vectors of floats, which fit 16 bits.
inline void store_int16(char* p, const float* from, Vector scale) {
  const __m256i a = _mm256_cvtps_epi32(mul(load(from), scale));
  const __m256i b = _mm256_cvtps_epi32(mul(load(from + kLanes), scale));
  const __m256i mixed = _mm256_packs_epi32(a, b);  // the low halves of both, then the high ones
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
}

struct Fp32Value {
  static constexpr int64_t kBytes = 4;
  static constexpr int64_t kGroup = 1;
  static void put(char* p, Vector v) { store(reinterpret_cast<float*>(p), v); }
  static void put(char* p, Vector first, Vector second) {
    put(p, first);
    put(p + kLanes * kBytes, second);
  }
};
using Value = Fp32Value;

}  // namespace
}  // namespace nad::cpu
