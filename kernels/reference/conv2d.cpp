#include "kernels/reference/conv2d.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_conv2d(Planner&, const Conv2dArgs& args) {
  check_args(args);
  return [args, packed = pack_forward(*args.weight)](Context&) {
    conv2d(args, packed);
    if (args.tap_sum) conv2d_tap_sums(args);
  };
}

Kernel plan_conv2d_backward(Planner&, const Conv2dBackwardArgs& args) {
  check_args(args);
  return [args, packed = pack_backward(*args.weight)](Context&) { conv2d_backward(args, packed); };
}

}  // namespace nad::reference
