#include "kernels/reference/epilogue_backward.h"

#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_epilogue_backward(Planner&, const EpilogueBackwardArgs& args) {
  check_args(args);
  return [args](Context&) { epilogue_backward(args); };
}

}  // namespace nad::reference
