#include "kernels/reference/gate_statistics.h"

#include "kernels/learning_op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_gate_statistics(Planner&, const GateStatisticsArgs& args) {
  check_args(args);
  return [args](Context&) { gate_statistics(args); };
}

}  // namespace nad::reference
