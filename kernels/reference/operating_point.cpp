#include "kernels/reference/operating_point.h"

#include "engine/context.h"
#include "kernels/learning_op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_operating_point(Planner&, const OperatingPointArgs& args) {
  check_args(args);
  return [args](Context&) { operating_point(args); };
}

}  // namespace nad::reference
