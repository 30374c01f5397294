// The register tiles of 16-bit products, two to each of 16 sums: vdpbf16ps of bf16, added in fp32, and vpdpwssd of
// int16, added in int32, at the same rate.
#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#include "kernels/cpu/vector_avx512_narrow.h"
//
#include "kernels/cpu/conv2d_blocks.h"
#include "kernels/cpu/gemm_tile.h"

namespace nad::cpu::avx512narrow {
namespace {

struct Bf16Product {
  static constexpr bool kScaled = false;
  static Vector broadcast(const char* a) { return set(*reinterpret_cast<const float*>(a)); }  // a pair
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
};

struct Int16Product {  // vectors hold the bits of integers
  static constexpr bool kScaled = true;
  static Vector broadcast(const char* a) { return set(*reinterpret_cast<const float*>(a)); }
  static Vector multiply_add(Vector a, Vector b, Vector c) {
    return _mm512_castsi512_ps(
        _mm512_dpwssd_epi32(_mm512_castps_si512(c), _mm512_castps_si512(a), _mm512_castps_si512(b)));
  }
  static Vector to_float(Vector sum) { return _mm512_cvtepi32_ps(_mm512_castps_si512(sum)); }
};

}  // namespace

GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width) { return gemm_tile_of<Bf16Product>(rows, width); }
GemmTileFunction gemm_tile_int16(int64_t rows, int64_t width) { return gemm_tile_of<Int16Product>(rows, width); }

}  // namespace nad::cpu::avx512narrow
#endif
