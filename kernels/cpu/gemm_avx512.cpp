// The fp32 register tile: two fused multiply-adds of 16 values per cycle.
#include "kernels/cpu/gemm.h"

#ifdef __AVX512F__
#include "kernels/cpu/gemm_tile_avx512.h"

namespace nad::cpu {
namespace {

struct Fp32Product {
  static __m512 broadcast(const char* a) { return _mm512_set1_ps(*reinterpret_cast<const float*>(a)); }
  static __m512 multiply_add(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

GemmTileFunction gemm_tile_fp32(int64_t rows, int64_t width) {
  return width == kPanel ? gemm_tile_of<Fp32Product, 2>(rows) : gemm_tile_of<Fp32Product, 1>(rows);
}

}  // namespace nad::cpu
#endif
