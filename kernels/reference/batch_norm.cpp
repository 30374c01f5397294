#include "kernels/reference/batch_norm.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_batch_norm(Planner&, const BatchNormArgs& args) {
  check_args(args);
  return [args](Context&) { batch_norm(args); };
}

Kernel plan_batch_norm_backward(Planner&, const BatchNormBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { batch_norm_backward(args); };
}

}  // namespace nad::reference
