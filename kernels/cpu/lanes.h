// Vectors of channels: the one set of vector operations, of the ops' loops (vectorise.h) and of the hand-written
// convolutions (convolution/vector.h). Included inside a namespace per instruction set, hence no guard.
//
// NAD_LANES is the width: 16 with AVX-512, 8 with AVX2 and FMA, else 4. Lanes<W>: F, I, B are W floats, 32-bit
// integers, bytes. + - * / are the compiler's own. Lanes<1> is the scalar tail of loops over channels.
//
// One rule for NaN: max(a, b) is b where one of them is, so max(floor, v) and relu(v) keep it.

constexpr int kLanes = NAD_LANES;

template <int W>
struct Lanes;

template <>
struct Lanes<1> {
  static constexpr int width = 1;
  using F = float;
  using I = int32_t;
  static NAD_INLINE F load(const float* p) { return *p; }
  static NAD_INLINE void store(float* p, F v) { *p = v; }
  static NAD_INLINE void stream(float* p, F v) { *p = v; }
  static NAD_INLINE F set(float s) { return s; }
  static NAD_INLINE I set_int(int32_t s) { return s; }
  static NAD_INLINE F select(I mask, F yes, F no) { return mask ? yes : no; }
  static NAD_INLINE I select_int(I mask, I yes, I no) { return mask ? yes : no; }
  static NAD_INLINE I greater(F a, F b) { return a > b ? -1 : 0; }
  static NAD_INLINE I not_equal(F a, F b) { return a != b ? -1 : 0; }
  static NAD_INLINE I equal_int(I a, I b) { return a == b ? -1 : 0; }
  static NAD_INLINE F keep_where_positive(F test, F v) { return select(greater(test, 0.f), v, 0.f); }
  static NAD_INLINE F max(F a, F b) { return b < a ? a : b; }
  static NAD_INLINE F relu(F v) { return max(0.f, v); }
  static NAD_INLINE F add(F a, F b) { return a + b; }
  static NAD_INLINE F multiply(F a, F b) { return a * b; }
  static NAD_INLINE F multiply_add(F a, F b, F c) {  // rounded once where there is FMA
#if NAD_LANES >= 8                                   // AVX2 and AVX-512 have FMA
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
  }
  static NAD_INLINE I load_bytes(const uint8_t* p) { return *p; }
  static NAD_INLINE void store_bytes(uint8_t* p, I v) { *p = static_cast<uint8_t>(v); }
  static NAD_INLINE I bits(F v) {
    I b;
    __builtin_memcpy(&b, &v, sizeof b);
    return b;
  }
  static NAD_INLINE F from_bits(I v) {
    F f;
    __builtin_memcpy(&f, &v, sizeof f);
    return f;
  }
  static NAD_INLINE F to_float(I v) { return static_cast<float>(v); }
  static NAD_INLINE F load_bf16(const uint16_t* p) {
    return from_bits(static_cast<I>(static_cast<uint32_t>(*p) << 16));
  }
  static NAD_INLINE void store_bf16(uint16_t* p, F v) {
    const uint32_t b = static_cast<uint32_t>(bits(v));
    const uint32_t rounded = v != v ? b | 0x400000 : b + 0x7fff + ((b >> 16) & 1);
    *p = static_cast<uint16_t>(rounded >> 16);
  }
  static NAD_INLINE float sum(F v) { return v; }
};

#define NAD_WIDTH 4
#include "kernels/cpu/lanes_width.h"
#undef NAD_WIDTH
#if NAD_LANES >= 8
#define NAD_WIDTH 8
#include "kernels/cpu/lanes_width.h"
#undef NAD_WIDTH
#endif
#if NAD_LANES >= 16
#define NAD_WIDTH 16
#include "kernels/cpu/lanes_width.h"
#undef NAD_WIDTH
#endif

// Other threads see what was streamed before it.
static NAD_INLINE void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

// Calls body(Lanes<W>{}, c) for channels c .. c+W-1 until all are covered: the widest vectors first.
template <class Body>
static NAD_INLINE void for_channels(int64_t channels, Body&& body) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(Lanes<kLanes>{}, c);
  if constexpr (kLanes > 4) {
    for (; c + 4 <= channels; c += 4) body(Lanes<4>{}, c);
  }
  for (; c < channels; ++c) body(Lanes<1>{}, c);
}
