#include "kernels/reference/max_pool.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_max_pool(Planner&, const MaxPoolArgs& args) {
  check_args(args);
  return [args](Context&) { max_pool(args); };
}

Kernel plan_max_pool_backward(Planner&, const MaxPoolBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { max_pool_backward(args); };
}

}  // namespace nad::reference
