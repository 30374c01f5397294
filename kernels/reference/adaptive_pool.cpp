#include "kernels/reference/adaptive_pool.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_adaptive_pool(Planner&, const AdaptivePoolArgs& args) {
  check_args(args);
  return [args](Context&) { adaptive_pool(args); };
}

Kernel plan_adaptive_pool_backward(Planner&, const AdaptivePoolBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { adaptive_pool_backward(args); };
}

}  // namespace nad::reference
