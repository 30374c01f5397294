#include "kernels/reference/softmax_loss.h"

#include "engine/context.h"
#include "kernels/learning_op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_softmax_loss(Planner& planner, const SoftmaxLossArgs& args) {
  check_args(args);
  planner.reserve_scratch(sizeof(double) * static_cast<size_t>(args.logits.shape.n * (args.logits.shape.c + 1)));
  return [args](Context& context) { softmax_loss(args, reinterpret_cast<double*>(context.scratch())); };
}

}  // namespace nad::reference
