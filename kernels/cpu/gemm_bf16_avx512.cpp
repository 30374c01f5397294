// The bf16 register tile: vdpbf16ps adds two products of bf16 to each of 16 fp32 sums.
#ifdef __AVX512BF16__
#include "kernels/cpu/vector_avx512.h"
//
#include "kernels/cpu/conv2d_blocks.h"
#include "kernels/cpu/gemm_tile.h"

namespace nad::cpu::avx512 {
namespace {

struct Bf16Product {
  static Vector broadcast(const char* a) { return set(*reinterpret_cast<const float*>(a)); }  // a pair
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
};

}  // namespace

GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width) { return gemm_tile_of<Bf16Product>(rows, width); }

}  // namespace nad::cpu::avx512
#endif
