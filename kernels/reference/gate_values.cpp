#include "kernels/reference/gate_values.h"

#include "kernels/learning_op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_gate_values(Planner&, const GateValuesArgs& args) {
  check_args(args);
  return [args](Context&) { gate_values(args); };
}

}  // namespace nad::reference
