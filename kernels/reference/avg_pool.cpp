#include "kernels/reference/avg_pool.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_avg_pool(Planner&, const AvgPoolArgs& args) {
  check_args(args);
  return [args](Context&) { avg_pool(args); };
}

Kernel plan_avg_pool_backward(Planner&, const AvgPoolBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { avg_pool_backward(args); };
}

}  // namespace nad::reference
