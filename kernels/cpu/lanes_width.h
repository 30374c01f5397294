// Lanes<NAD_WIDTH>, included by lanes.h for each width (compilers check conversions of vectors before a template's
// width is known, hence no template).
template <>
struct Lanes<NAD_WIDTH> {
  static constexpr int width = NAD_WIDTH;
  typedef float F __attribute__((vector_size(NAD_WIDTH * sizeof(float))));
  typedef int32_t I __attribute__((vector_size(NAD_WIDTH * sizeof(int32_t))));
  typedef uint8_t B __attribute__((vector_size(NAD_WIDTH)));
  typedef uint16_t H __attribute__((vector_size(NAD_WIDTH * sizeof(uint16_t))));

  static NAD_INLINE F load(const float* p) {
    F v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  static NAD_INLINE void store(float* p, F v) { __builtin_memcpy(p, &v, sizeof v); }
  // Past the caches; p is aligned to the vector. A fence must follow: stream_fence().
  static NAD_INLINE void stream(float* p, F v) {
#if !defined(__SSE2__)
    store(p, v);
#elif NAD_WIDTH == 4
    _mm_stream_ps(p, (__m128)v);
#elif NAD_WIDTH == 8
    _mm256_stream_ps(p, (__m256)v);
#else
    _mm512_stream_ps(p, (__m512)v);
#endif
  }
  static NAD_INLINE F set(float s) { return F{} + s; }
  static NAD_INLINE I set_int(int32_t s) { return I{} + s; }
  static NAD_INLINE F select(I mask, F yes, F no) { return mask ? yes : no; }
  static NAD_INLINE I select_int(I mask, I yes, I no) { return mask ? yes : no; }
  static NAD_INLINE I greater(F a, F b) { return a > b; }
  // NaN stays NaN: the instruction returns its second operand then.
  static NAD_INLINE F relu(F v) {
#if !defined(__SSE2__)
    return F{} > v ? F{} : v;
#elif NAD_WIDTH == 4
    return (F)_mm_max_ps(_mm_setzero_ps(), (__m128)v);
#elif NAD_WIDTH == 8
    return (F)_mm256_max_ps(_mm256_setzero_ps(), (__m256)v);
#else
    return (F)_mm512_maskz_max_ps(0xffff, _mm512_setzero_ps(), (__m512)v);  // GCC 12 warns about the plain form
#endif
  }
  static NAD_INLINE F add(F a, F b) { return a + b; }
  static NAD_INLINE F multiply(F a, F b) { return a * b; }
  static NAD_INLINE F multiply_add(F a, F b, F c) { return a * b + c; }
  static NAD_INLINE I not_equal(F a, F b) { return a != b; }
  static NAD_INLINE I equal_int(I a, I b) { return a == b; }
  static NAD_INLINE I load_bytes(const uint8_t* p) {
    B v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, I);
  }
  static NAD_INLINE void store_bytes(uint8_t* p, I v) {
    const B bytes = __builtin_convertvector(v, B);
    __builtin_memcpy(p, &bytes, sizeof bytes);
  }
  static NAD_INLINE I bits(F v) { return (I)v; }
  static NAD_INLINE F from_bits(I v) { return (F)v; }
  static NAD_INLINE F to_float(I v) { return __builtin_convertvector(v, F); }
  static NAD_INLINE F load_bf16(const uint16_t* p) {
    H v;
    __builtin_memcpy(&v, p, sizeof v);
    return (F)(__builtin_convertvector(v, I) << 16);
  }
  // Rounds to the nearest, ties to even.
  static NAD_INLINE void store_bf16(uint16_t* p, F v) {
    const I b = (I)v;
    const I rounded = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
    const H half = __builtin_convertvector(rounded, H);
    __builtin_memcpy(p, &half, sizeof half);
  }
  // The sum of the lanes, always in the same order.
  static NAD_INLINE float sum(F v) {
#if NAD_WIDTH == 4
    return (v[0] + v[2]) + (v[1] + v[3]);
#elif NAD_WIDTH == 8
    return Lanes<4>::sum(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7));
#else
    return Lanes<8>::sum(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                         __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
#endif
  }
};
