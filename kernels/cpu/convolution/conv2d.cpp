// Which way to convolve. The rule looks at shapes, precision and instruction sets only.
#include "kernels/cpu/convolution/conv2d.h"

#include <array>

#include "engine/error.h"
#include "engine/op_checks.h"
#include "kernels/cpu/ops.h"

namespace nad::cpu {
namespace {

ConvAlgorithm choose(const Conv2dParams& p, const Shape& x, const Shape& y) {
  if (p.groups > 1 && p.groups == x.c && x.c == y.c) return ConvAlgorithm::depthwise;
  if (p.groups > 1) return ConvAlgorithm::by_sample;
  const bool small = p.kernel_h == 3 && p.kernel_w == 3;
  const bool plain = p.stride_h == 1 && p.stride_w == 1 && p.dilation_h == 1 && p.dilation_w == 1;
  return small && plain ? ConvAlgorithm::winograd : ConvAlgorithm::gemm;
}

// The chosen way, or the next one where it does not cover the case; by_sample covers all.
constexpr std::array kFallbacks = {ConvAlgorithm::gemm, ConvAlgorithm::by_sample};

}  // namespace

ConvAlgorithm choose_conv2d(const Conv2dArgs& args) { return choose(args.params, args.x.shape, args.y.shape); }

ConvAlgorithm choose_conv2d_backward(const Conv2dBackwardArgs& args) {
  return choose(args.params, args.dx.shape, args.dz.shape);
}

Kernel conv2d_with(ConvAlgorithm algorithm, Planner& planner, const Conv2dArgs& args) {
  switch (algorithm) {
    case ConvAlgorithm::depthwise:
      return conv2d_depthwise(planner, args);
    case ConvAlgorithm::gemm:
      return conv2d_gemm(planner, args);
    case ConvAlgorithm::winograd:
      return conv2d_winograd(planner, args);
    case ConvAlgorithm::by_sample:
      return conv2d_by_sample(planner, args);
  }
  return {};
}

Kernel conv2d_backward_with(ConvAlgorithm algorithm, Planner& planner, const Conv2dBackwardArgs& args) {
  switch (algorithm) {
    case ConvAlgorithm::depthwise:
      return conv2d_depthwise_backward(planner, args);
    case ConvAlgorithm::gemm:
      return conv2d_gemm_backward(planner, args);
    case ConvAlgorithm::winograd:
      return conv2d_winograd_backward(planner, args);
    case ConvAlgorithm::by_sample:
      return conv2d_by_sample_backward(planner, args);
  }
  return {};
}

Kernel conv2d(Planner& planner, const Conv2dArgs& args) {
  check_args(args);
  if (args.tap_sum) throw Error(ErrorKind::device, "conv2d: the CPU sums no taps", "epilogue_backward sums it");
  Kernel kernel = conv2d_with(choose_conv2d(args), planner, args);
  for (ConvAlgorithm next : kFallbacks) {
    if (!kernel) kernel = conv2d_with(next, planner, args);
  }
  return kernel;
}

Kernel conv2d_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  check_args(args);
  Kernel kernel = conv2d_backward_with(choose_conv2d_backward(args), planner, args);
  for (ConvAlgorithm next : kFallbacks) {
    if (!kernel) kernel = conv2d_backward_with(next, planner, args);
  }
  return kernel;
}

}  // namespace nad::cpu
