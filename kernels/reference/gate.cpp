#include "kernels/reference/gate.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_gate(Planner&, const GateArgs& args) {
  check_args(args);
  return [args](Context&) { gate(args); };
}

}  // namespace nad::reference
