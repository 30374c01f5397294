// Which way to convolve. The rule looks at shapes, precision and instruction sets only.
#include "kernels/cpu/convolution/conv2d.h"

#include <array>

#include "kernels/cpu/check.h"
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

void check(const char* op, const Conv2dParams& p, const Param& weight, const Prologue& prologue, const Shape& x,
           const Shape& y) {
  require(p.stride_h > 0 && p.stride_w > 0 && p.dilation_h > 0 && p.dilation_w > 0 && p.pad_h >= 0 && p.pad_w >= 0 &&
              p.offset_h >= 0 && p.offset_w >= 0,
          op, "positive strides and dilations, no negative padding or offset");
  require(p.groups > 0 && x.c % p.groups == 0 && y.c % p.groups == 0, op, "groups that divide the channels");
  require(weight && weight->shape == std::vector<int64_t>{y.c, x.c / p.groups, p.kernel_h, p.kernel_w}, op,
          "a weight of [O, I/groups, KH, KW]");
  require(x.n == y.n && y.h == conv_extent(x.h, p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.offset_h) &&
              y.w == conv_extent(x.w, p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.offset_w),
          op, "an output that fits the kernel, got " + to_string(x) + " to " + to_string(y));
  require_channels(op, "prologue scale", prologue.scale, x.c);
  require_channels(op, "prologue shift", prologue.shift, x.c);
}

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
  check("conv2d", args.params, args.weight, args.prologue, args.x.shape, args.y.shape);
  require(!args.tap_sum, "conv2d", "no tap_sum: epilogue_backward sums it");
  Kernel kernel = conv2d_with(choose_conv2d(args), planner, args);
  for (ConvAlgorithm next : kFallbacks) {
    if (!kernel) kernel = conv2d_with(next, planner, args);
  }
  return kernel;
}

Kernel conv2d_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  check("conv2d_backward", args.params, args.weight, args.prologue, args.dx.shape, args.dz.shape);
  require_channels("conv2d_backward", "scale", args.scale, args.dz.shape.c);
  Kernel kernel = conv2d_backward_with(choose_conv2d_backward(args), planner, args);
  for (ConvAlgorithm next : kFallbacks) {
    if (!kernel) kernel = conv2d_backward_with(next, planner, args);
  }
  return kernel;
}

}  // namespace nad::cpu
