// The fp32 register tile: two fused multiply-adds of 8 values per cycle.
#ifdef __AVX2__
#include "kernels/cpu/convolution/vector_avx2.h"
//
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/tile_loop.h"

namespace nad::cpu::avx2 {
namespace {

struct Fp32Product {
  static constexpr bool kScaled = false, kPairs = false;
  using Operand = Vector;
  static Vector load(const char* b) { return L::load_aligned(b); }
  static Vector broadcast(const char* a) { return L::set(*reinterpret_cast<const float*>(a)); }
  // By hand, so that the sum stays in its register: with all 16 in use GCC otherwise shuffles and spills them.
  static Vector multiply_add(Vector a, Vector b, Vector c) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(c) : "x"(a), "x"(b));
    return c;
  }
};

}  // namespace

GemmTileFunction gemm_tile_fp32(int64_t rows, int64_t width) { return gemm_tile_of<Fp32Product>(rows, width); }

}  // namespace nad::cpu::avx2
#endif
