#include "kernels/reference/linear.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_linear(Planner&, const LinearArgs& args) {
  check_args(args);
  return [args](Context&) { linear(args); };
}

Kernel plan_linear_backward(Planner&, const LinearBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { linear_backward(args); };
}

}  // namespace nad::reference
