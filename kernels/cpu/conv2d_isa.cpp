#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/conv2d_blocks.h"
#include "kernels/cpu/isa.h"

namespace nad::cpu {
namespace {

#if defined(__x86_64__)
constexpr ConvIsa kAvx512 = {4,
                             kAvx512Blocking,
                             avx512::gemm_block,
                             avx512::gemm_scratch,
                             avx512::winograd_input,
                             avx512::winograd_products,
                             avx512::winograd_output};
constexpr ConvIsa kAvx2 = {3,
                           kAvx2Blocking,
                           avx2::gemm_block,
                           avx2::gemm_scratch,
                           avx2::winograd_input,
                           avx2::winograd_products,
                           avx2::winograd_output};
constexpr ConvIsa kAmx = {4,
                          kAmxBlocking,
                          amx::gemm_block,
                          amx::gemm_scratch,
                          avx512::winograd_input,
                          avx512::winograd_products,
                          avx512::winograd_output};
#endif

}  // namespace

const ConvIsa* conv_isa(bool bf16) {
#if defined(__x86_64__)
  if (bf16 && best_isa() == Isa::amx) return &kAmx;
  if (best_isa() >= Isa::avx512) return &kAvx512;
  if (best_isa() == Isa::avx2) return &kAvx2;
#endif
  return nullptr;
}

bool bf16_products() {
#if defined(__x86_64__)
  return best_isa() == Isa::amx || (best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16"));
#else
  return false;
#endif
}

}  // namespace nad::cpu
