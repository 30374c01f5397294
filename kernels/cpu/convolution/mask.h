// The first so many lanes of a vector: those that are channels. Memory beside the others is neither read nor written,
// and they are 0 in what is loaded. The end of vector.h, which includes it.
#pragma once

namespace nad::cpu {
namespace {

#if defined(__AVX512F__)

struct Mask {
  __mmask16 lanes;

  static NAD_INLINE Mask first(int64_t count) {
    return {count >= kLanes ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1)};
  }
  static NAD_INLINE Mask whole() { return {0xffff}; }
  static NAD_INLINE Mask none() { return {0}; }
  NAD_INLINE bool is_whole() const { return lanes == 0xffff; }

  NAD_INLINE Vector load(const float* p) const { return (Vector)_mm512_maskz_loadu_ps(lanes, p); }
  NAD_INLINE void store(float* p, Vector v) const { _mm512_mask_storeu_ps(p, lanes, (__m512)v); }
  NAD_INLINE Vector keep(Vector v) const { return (Vector)_mm512_maskz_mov_ps(lanes, (__m512)v); }
  NAD_INLINE void store_bytes(uint8_t* p, L::I v) const {
    _mm_mask_storeu_epi8(p, lanes, _mm512_cvtepi32_epi8((__m512i)v));
  }
  // *p where the byte beside it equals `value`, else 0.
  NAD_INLINE Vector load_where_equal(const float* p, const uint8_t* bytes, int value) const {
    const __m128i b = _mm_maskz_loadu_epi8(lanes, bytes);
    const __mmask16 equal = _mm_mask_cmpeq_epi8_mask(lanes, b, _mm_set1_epi8(static_cast<char>(value)));
    return (Vector)_mm512_maskz_loadu_ps(equal, p);
  }
};

#elif defined(__AVX2__)

struct Mask {
  __m256i lanes;
  bool all;  // then plain loads and stores: masked stores are slow on AMD's processors

  static NAD_INLINE Mask first(int64_t count) {
    alignas(32) static constexpr int32_t kEnds[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const int64_t length = count >= kLanes ? kLanes : count;
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(kEnds + kLanes - length)), count >= kLanes};
  }
  static NAD_INLINE Mask whole() { return {_mm256_set1_epi32(-1), true}; }
  static NAD_INLINE Mask none() { return {_mm256_setzero_si256(), false}; }
  NAD_INLINE bool is_whole() const { return all; }

  NAD_INLINE Vector load(const float* p) const { return all ? L::load(p) : (Vector)_mm256_maskload_ps(p, lanes); }
  NAD_INLINE void store(float* p, Vector v) const { all ? L::store(p, v) : _mm256_maskstore_ps(p, lanes, (__m256)v); }
  NAD_INLINE Vector keep(Vector v) const { return L::from_bits((L::I)lanes & L::bits(v)); }
  NAD_INLINE void store_bytes(uint8_t* p, L::I v) const {
    const __m256i words = (__m256i)v;
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    alignas(16) uint8_t bytes[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(bytes), _mm_packus_epi16(halves, halves));
    __builtin_memcpy(p, bytes, count());
  }
  NAD_INLINE Vector load_where_equal(const float* p, const uint8_t* bytes, int value) const {
    alignas(8) uint8_t eight[kLanes] = {};
    __builtin_memcpy(eight, bytes, count());
    return L::select(L::equal_int(L::load_bytes(eight), L::set_int(value)), load(p), L::set(0.f));
  }
  NAD_INLINE size_t count() const {
    const int bits = _mm256_movemask_ps(_mm256_castsi256_ps(lanes));
    return all ? kLanes : static_cast<size_t>(__builtin_popcount(static_cast<unsigned>(bits)));
  }
};

#else  // any processor, for what is planned there as on another (tests/amx_model)

struct Mask {
  int64_t count;

  static Mask first(int64_t count) { return {count < kLanes ? count : kLanes}; }
  bool is_whole() const { return count == kLanes; }

  NAD_INLINE Vector load(const float* p) const {
    Vector v = {};
    for (int64_t i = 0; i < count; ++i) v[i] = p[i];
    return v;
  }
  NAD_INLINE void store(float* p, Vector v) const {
    for (int64_t i = 0; i < count; ++i) p[i] = v[i];
  }
};

#endif

}  // namespace
}  // namespace nad::cpu
