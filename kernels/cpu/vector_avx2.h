// The vector of the hand-written convolutions: AVX2 and FMA. The names are explained in vector_avx512.h and
// vector_avx512_ops.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define NAD_VECTOR avx2

namespace nad::cpu {
namespace {

constexpr int64_t kLanes = 8;
constexpr int64_t kTileRows = 6;  // 6 x 2 sums, 2 vectors of B and 1 of A in 16 registers
constexpr int64_t kPanel = 2 * kLanes;
constexpr int64_t kAheadBytes = 16;
constexpr bool kFp32Units = true, kBf16Units = false;
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

struct Fp32Value {
  static constexpr int64_t kBytes = 4;
  static constexpr int64_t kGroup = 1;
  static void put(char* p, const Mask& mask, Vector v) { store(reinterpret_cast<float*>(p), mask, v); }
};
using NarrowValue = Fp32Value;  // there are no bf16 units

}  // namespace
}  // namespace nad::cpu
