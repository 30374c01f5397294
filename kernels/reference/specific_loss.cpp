#include "kernels/reference/specific_loss.h"

#include "engine/context.h"
#include "kernels/learning_op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_specific_loss(Planner& planner, const SpecificLossArgs& args) {
  check_args(args);
  planner.reserve_scratch(2 * sizeof(double) * static_cast<size_t>(args.logits.shape.n));
  return [args](Context& context) { specific_loss(args, reinterpret_cast<double*>(context.scratch())); };
}

}  // namespace nad::reference
