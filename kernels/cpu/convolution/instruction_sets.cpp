#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/isa.h"

namespace nad::cpu {
namespace {

#if defined(__x86_64__)
constexpr WinogradIsa kAvx512Winograd = {1, avx512::winograd_input, avx512::winograd_products,
                                         avx512::winograd_output};
constexpr WinogradIsa kAvx512Integers = {2, avx512narrow::winograd_input, avx512narrow::winograd_products,
                                         avx512narrow::winograd_output};
constexpr WinogradIsa kAvx2Winograd = {1, avx2::winograd_input, avx2::winograd_products, avx2::winograd_output};

constexpr WinogradIsa kAvx2Integers = {2, avx2narrow::winograd_input, avx2narrow::winograd_products,
                                       avx2narrow::winograd_output};

constexpr ConvIsa kAvx512 = {4, kAvx512Blocking, avx512::gemm_block, avx512::gemm_scratch, kAvx512Winograd};
constexpr ConvIsa kAvx512Narrow = {4, kAvx512NarrowBlocking, avx512narrow::gemm_block, avx512narrow::gemm_scratch,
                                   kAvx512Integers};
constexpr ConvIsa kAvx2 = {3, kAvx2Blocking, avx2::gemm_block, avx2::gemm_scratch, kAvx2Winograd};
constexpr ConvIsa kAvx2Narrow = {3, kAvx2Blocking, avx2::gemm_block, avx2::gemm_scratch, kAvx2Integers};
constexpr ConvIsa kAmx = {4, kAmxBlocking, amx::gemm_block, amx::gemm_scratch, kAvx512Winograd};
#endif

}  // namespace

const ConvIsa* conv_isa(bool bf16) {
#if defined(__x86_64__)
  if (bf16 && best_isa() == Isa::amx) return &kAmx;
  if (bf16 && bf16_products()) return &kAvx512Narrow;
  if (best_isa() >= Isa::avx512) return &kAvx512;
  if (best_isa() == Isa::avx2) return bf16 ? &kAvx2Narrow : &kAvx2;
#endif
  return nullptr;
}

bool bf16_products() { return best_isa() == Isa::amx || narrow_products(); }

bool integer_products() {
  const ConvIsa* isa = conv_isa(true);
  return isa != nullptr && isa->winograd.gain > 1;
}

}  // namespace nad::cpu
