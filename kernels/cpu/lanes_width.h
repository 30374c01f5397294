// Lanes<NAD_WIDTH>, included by lanes.h for each width (compilers check conversions of vectors before a template's
// width is known, hence no template).

// NAD_INTRINSIC(name, ...): the instruction on vectors of this width, for what the compiler's own operators do not
// say. Without it (other processors, or NAD_PORTABLE_LANES) the compiler makes up wide vectors from what it has.
#if defined(__SSE2__) && !defined(NAD_PORTABLE_LANES)
#if NAD_WIDTH == 4
#define NAD_REGISTER __m128
#define NAD_INTRINSIC(name, ...) _mm_##name##_ps(__VA_ARGS__)
#elif NAD_WIDTH == 8
#define NAD_REGISTER __m256
#define NAD_INTRINSIC(name, ...) _mm256_##name##_ps(__VA_ARGS__)
#else
#define NAD_REGISTER __m512
#define NAD_INTRINSIC(name, ...) _mm512_maskz_##name##_ps(0xffff, __VA_ARGS__)  // GCC 12 warns about the plain form
#endif
#endif

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
  // p is aligned to the vector.
  static NAD_INLINE F load_aligned(const void* p) {
    typedef float Aligned __attribute__((vector_size(NAD_WIDTH * sizeof(float)), may_alias));
    return *static_cast<const Aligned*>(p);
  }
  static NAD_INLINE void store(float* p, F v) { __builtin_memcpy(p, &v, sizeof v); }
  // Past the caches; p is aligned to the vector. A fence must follow: stream_fence().
  static NAD_INLINE void stream(float* p, F v) {
#if !defined(NAD_INTRINSIC)
    store(p, v);
#elif NAD_WIDTH == 16
    _mm512_stream_ps(p, (__m512)v);
#else
    NAD_INTRINSIC(stream, p, (NAD_REGISTER)v);
#endif
  }
  static NAD_INLINE F set(float s) { return s - F{}; }  // + would lose the sign of -0
  static NAD_INLINE I set_int(int32_t s) { return I{} + s; }
  static NAD_INLINE F select(I mask, F yes, F no) { return mask ? yes : no; }
  static NAD_INLINE I select_int(I mask, I yes, I no) { return mask ? yes : no; }
  static NAD_INLINE I greater(F a, F b) { return a > b; }
  static NAD_INLINE I not_equal(F a, F b) { return a != b; }
  static NAD_INLINE I equal_int(I a, I b) { return a == b; }
  static NAD_INLINE F keep_where_positive(F test, F v) { return select(greater(test, F{}), v, F{}); }
  static NAD_INLINE F max(F a, F b) {
#if defined(NAD_INTRINSIC)
    return (F)NAD_INTRINSIC(max, (NAD_REGISTER)a, (NAD_REGISTER)b);
#else
    return a > b ? a : b;
#endif
  }
  static NAD_INLINE F relu(F v) { return max(F{}, v); }
  static NAD_INLINE F add(F a, F b) { return a + b; }
  static NAD_INLINE F multiply(F a, F b) { return a * b; }
  // a * b + c and c - a * b, rounded once where there is FMA.
  static NAD_INLINE F multiply_add(F a, F b, F c) {
#if defined(NAD_INTRINSIC) && NAD_LANES >= 8
    return (F)NAD_INTRINSIC(fmadd, (NAD_REGISTER)a, (NAD_REGISTER)b, (NAD_REGISTER)c);
#else
    return a * b + c;
#endif
  }
  static NAD_INLINE F subtract_product(F a, F b, F c) {
#if defined(NAD_INTRINSIC) && NAD_LANES >= 8
    return (F)NAD_INTRINSIC(fnmadd, (NAD_REGISTER)a, (NAD_REGISTER)b, (NAD_REGISTER)c);
#else
    return c - a * b;
#endif
  }
  static NAD_INLINE F sqrt(F v) {
#if defined(NAD_INTRINSIC)
    return (F)NAD_INTRINSIC(sqrt, (NAD_REGISTER)v);
#else
    for (int i = 0; i < NAD_WIDTH; ++i) v[i] = __builtin_sqrtf(v[i]);
    return v;
#endif
  }
  static NAD_INLINE I load_bytes(const uint8_t* p) {
#if defined(NAD_INTRINSIC) && NAD_WIDTH == 8  // GCC 12 widens four at a time
    return (I)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
    B v;
    __builtin_memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, I);
#endif
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
  // Rounds to the nearest, ties to even. NaN stays NaN. (The instructions take denormal numbers for 0.)
  static NAD_INLINE void store_bf16(uint16_t* p, F v) {
#if NAD_WIDTH == 16 && defined(__AVX512BF16__)
    const __m256bh half = _mm512_cvtneps_pbh((__m512)v);
#else
    typedef uint32_t U __attribute__((vector_size(NAD_WIDTH * sizeof(uint32_t))));  // a NaN's sum wraps around
    const I b = (I)v, nearest = (I)((U)v + 0x7fff + (((U)v >> 16) & 1));
    const I rounded = select_int(not_equal(v, v), b | 0x400000, nearest) >> 16;
    const H half = __builtin_convertvector(rounded, H);
#endif
    __builtin_memcpy(p, &half, sizeof half);
  }
  static NAD_INLINE void store_bf16(uint16_t* p, F first, F second) {
#if NAD_WIDTH == 16 && defined(__AVX512BF16__)
    const __m512bh both = _mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
    __builtin_memcpy(p, &both, sizeof both);
#else
    store_bf16(p, first);
    store_bf16(p + NAD_WIDTH, second);
#endif
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

#undef NAD_REGISTER
#undef NAD_INTRINSIC
