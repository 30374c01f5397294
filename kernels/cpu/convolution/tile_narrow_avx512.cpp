// The register tiles of 16-bit products, two to each of 16 sums: vdpbf16ps of bf16, added in fp32, and vpdpwssd of
// int16, added in int32, at the same rate.
#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#include "kernels/cpu/convolution/vector_avx512_narrow.h"
//
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/tile_loop.h"

namespace nad::cpu::avx512narrow {
namespace {

struct Bf16Product {
  static constexpr bool kScaled = false, kPairs = true;
  using Operand = Vector;
  static Vector load(const char* b) { return L::load_aligned(b); }
  static Vector broadcast(const char* a) { return L::set(*reinterpret_cast<const float*>(a)); }  // a pair
  static Vector multiply_add(Vector a, Vector b, Vector c) {
    return (Vector)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
  }
};

struct Int16Product {
  static constexpr bool kScaled = true, kPairs = true;
  // Not __m512i, whose sums GCC 12 keeps on the stack: the instruction's pattern wants integers of 32 bits.
  using Operand = L::I;
  static Operand load(const char* b) { return L::bits(L::load_aligned(b)); }
  static Operand broadcast(const char* a) { return L::set_int(*reinterpret_cast<const int32_t*>(a)); }
  static Operand multiply_add(Operand a, Operand b, Operand c) {
    return (Operand)_mm512_dpwssd_epi32((__m512i)c, (__m512i)a, (__m512i)b);
  }
};

}  // namespace

GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width) { return gemm_tile_of<Bf16Product>(rows, width); }
GemmTileFunction gemm_tile_int16(int64_t rows, int64_t width) { return gemm_tile_of<Int16Product>(rows, width); }

}  // namespace nad::cpu::avx512narrow
#endif
