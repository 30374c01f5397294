#include "kernels/reference/gate_update.h"

#include "kernels/learning_op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_gate_update(Planner&, const GateUpdateArgs& args) {
  check_args(args);
  return [args](Context&) { gate_update(args); };
}

}  // namespace nad::reference
