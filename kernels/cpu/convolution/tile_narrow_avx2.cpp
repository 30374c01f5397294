// The register tile of 16-bit integers: vpmaddwd adds two products to each of 8 sums, vpaddd adds those up.
#ifdef __AVX2__
#define NAD_INTEGERS 1
#include "kernels/cpu/convolution/vector_avx2.h"
//
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/tile_loop.h"

namespace nad::cpu::avx2narrow {
namespace {

struct Int16Product {
  static constexpr bool kScaled = true, kPairs = true;
  using Operand = L::I;  // not __m256i, see tile_narrow_avx512.cpp
  static Operand load(const char* b) { return L::bits(L::load_aligned(b)); }
  static Operand broadcast(const char* a) { return L::set_int(*reinterpret_cast<const int32_t*>(a)); }
  static Operand multiply_add(Operand a, Operand b, Operand c) {
    return c + (Operand)_mm256_madd_epi16((__m256i)a, (__m256i)b);
  }
};

}  // namespace

GemmTileFunction gemm_tile_int16(int64_t rows, int64_t width) { return gemm_tile_of<Int16Product>(rows, width); }

}  // namespace nad::cpu::avx2narrow
#endif
