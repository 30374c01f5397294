// The fp32 register tile: two fused multiply-adds of 16 values per cycle.
#ifdef __AVX512F__
#include "kernels/cpu/convolution/vector_avx512.h"
//
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/tile_loop.h"

namespace nad::cpu::avx512 {
namespace {

struct Fp32Product {
  static constexpr bool kScaled = false, kPairs = false;
  using Operand = Vector;
  static Vector load(const char* b) { return L::load_aligned(b); }
  static Vector broadcast(const char* a) { return L::set(*reinterpret_cast<const float*>(a)); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return L::multiply_add(a, b, c); }
};

}  // namespace

GemmTileFunction gemm_tile_fp32(int64_t rows, int64_t width) { return gemm_tile_of<Fp32Product>(rows, width); }

}  // namespace nad::cpu::avx512
#endif
