// The bf16 register tile: vdpbf16ps adds two products of bf16 to each of 16 fp32 sums.
#include "kernels/cpu/gemm.h"

#ifdef __AVX512BF16__
#include "kernels/cpu/gemm_tile_avx512.h"

namespace nad::cpu {
namespace {

struct Bf16Product {
  static __m512 broadcast(const char* a) { return _mm512_set1_ps(*reinterpret_cast<const float*>(a)); }  // a pair
  static __m512 multiply_add(__m512 a, __m512 b, __m512 c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
};

}  // namespace

GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width) {
  return width == kPanel ? gemm_tile_of<Bf16Product, 2>(rows) : gemm_tile_of<Bf16Product, 1>(rows);
}

}  // namespace nad::cpu
#endif
