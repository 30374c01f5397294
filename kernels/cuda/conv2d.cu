// Which way to convolve. The rule for the hand-written kernels looks at shapes only, never at a clock: the same
// network gives the same bytes. --conv (kernel_choice.h) may take cuDNN's instead.
#include <initializer_list>
#include <string>

#include "engine/op_checks.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/kernel_choice.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/tap_sum.h"

namespace nad::cuda {
namespace {

Kernel handwritten(Planner& planner, const Convolution& c) {
  if (Kernel kernel = conv2d_gemm(planner, c)) return kernel;
  Kernel kernel = conv2d_depthwise(planner, c);
  return with_tap_sum(planner, c, kernel ? kernel : conv2d_simple(planner, c));
}

// Everything that the time of this layer depends on.
std::string describe_layer(const Convolution& c, Precision precision) {
  const Conv2dParams& p = c.params;
  const auto pair = [](const char* name, int64_t h, int64_t w) {
    return std::string(" ") + name + " " + std::to_string(h) + "x" + std::to_string(w);
  };
  const auto flags = [](std::initializer_list<bool> values) {
    std::string text = " ";
    for (bool value : values) text += value ? '1' : '0';
    return text;
  };
  return std::string(c.op) + " " + to_string(precision) + " " + to_string(c.source_shape) + "/" +
         std::to_string(c.source.stride) + " to " + to_string(c.target_shape) + "/" +
         std::to_string(c.finish.stride) + pair("kernel", p.kernel_h, p.kernel_w) +
         pair("stride", p.stride_h, p.stride_w) + pair("pad", p.pad_h, p.pad_w) +
         pair("dilation", p.dilation_h, p.dilation_w) + pair("offset", p.offset_h, p.offset_w) + " groups " +
         std::to_string(p.groups) +
         flags({c.source.vectors, c.source.relu, bool(c.source.scale), bool(c.source.shift)}) +
         flags({c.finish.vectors, c.finish.relu, bool(c.finish.scale), bool(c.finish.shift), bool(c.finish.mask),
                bool(c.finish.residual), bool(c.finish.gate), c.tap_sum != nullptr});
}

Kernel plan(Planner& planner, const Convolution& c) {
  KernelChoices::Layer layer;
  layer.text = describe_layer(c, planner.precision());
  if (c.finish.residual && c.finish.residual.data() == c.finish.target.data()) {
    const int64_t elements = (c.target_shape.pixels() - 1) * c.finish.stride + c.target_shape.c;
    layer.accumulated = c.finish.target.data();
    layer.accumulated_bytes = sizeof(float) * static_cast<size_t>(elements);
  }
  return backend_of(planner.context())
      .choices()
      .choose(
          planner, layer, [&] { return handwritten(planner, c); },
          [&] { return with_tap_sum(planner, c, conv2d_cudnn(planner, c)); });
}

}  // namespace

Kernel plan_conv2d(Planner& planner, const Conv2dArgs& args) {
  check_args(args);
  return plan(planner, describe(planner, args));
}

Kernel plan_conv2d_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  check_args(args);
  return plan(planner, describe(planner, args));
}

}  // namespace nad::cuda
