// The CPU's ways to convolve. Each returns an empty Kernel where it does not cover the case; conv2d.cpp chooses.
// The choice is a fixed rule over shapes, precision and instruction sets (not a timing), so that two runs on one
// machine give the same bytes; bench/bench_kernels.cpp shows what the rule is based on.
#pragma once

#include "engine/context.h"

namespace nad::cpu {

enum class ConvAlgorithm : uint8_t {
  depthwise,  // groups = channels: vectorised over channels
  gemm,       // hand-written implicit GEMM (AVX-512 or AVX2; fp32, bf16 products with AMX or AVX512-BF16)
  winograd,   // hand-written F(4x4, 3x3) (AVX-512 or AVX2; fp32, in bf16 products of integers)
  onednn,     // any case, any instruction set
};

Kernel conv2d_with(ConvAlgorithm algorithm, Planner& planner, const Conv2dArgs& args);
Kernel conv2d_backward_with(ConvAlgorithm algorithm, Planner& planner, const Conv2dBackwardArgs& args);
ConvAlgorithm choose_conv2d(const Conv2dArgs& args);
ConvAlgorithm choose_conv2d_backward(const Conv2dBackwardArgs& args);

// Whether bf16 is multiplied as bf16 on this processor. Elsewhere Precision::bf16 multiplies in fp32.
bool bf16_products();
// Whether Precision::bf16 multiplies Winograd's transforms as 16-bit integers.
bool integer_products();

Kernel conv2d_depthwise(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_depthwise_backward(Planner& planner, const Conv2dBackwardArgs& args);
Kernel conv2d_gemm(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_gemm_backward(Planner& planner, const Conv2dBackwardArgs& args);
Kernel conv2d_winograd(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_winograd_backward(Planner& planner, const Conv2dBackwardArgs& args);
// Whether Winograd's way is possible and pays, from `in` (forward x, backward dz) to `out`.
bool winograd_covers(const Planner& planner, const Conv2dParams& params, const Shape& in, const Shape& out);
// With a 2x2 max-pool, of what it covers.
Kernel conv2d_winograd_pooled(Planner& planner, const Conv2dMaxPoolArgs& args);
Kernel conv2d_winograd_pooled_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args);
Kernel conv2d_onednn(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_onednn_backward(Planner& planner, const Conv2dBackwardArgs& args);

}  // namespace nad::cpu
