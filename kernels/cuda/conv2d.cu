// Which way to convolve. The rule looks at shapes only, never at a clock: the same network gives the same bytes.
#include "engine/op_checks.h"
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {
namespace {

Kernel plan(Planner& planner, const Convolution& c) {
  Kernel kernel = conv2d_depthwise(planner, c);
  if (!kernel) kernel = conv2d_gemm(planner, c);
  return kernel ? kernel : conv2d_simple(planner, c);
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
