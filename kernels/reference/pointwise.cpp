#include "kernels/reference/pointwise.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_pointwise(Planner&, const PointwiseArgs& args) {
  check_args(args);
  return [args](Context&) { pointwise(args); };
}

Kernel plan_pointwise_backward(Planner&, const PointwiseBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { pointwise_backward(args); };
}

}  // namespace nad::reference
