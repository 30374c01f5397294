// Which samples the original network classifies correctly: predicted = first maximum of the logits,
//   tap_weight[n] = correct[n] / correct_count[g] (0 where the count is 0)
//   apply[g] = needs_correct ? correct_count[g] > 0 : valid[g] > 0
// Samples from valid[g] on are predicted, but count as wrong.
#include <algorithm>

#include "engine/op_checks.h"
#include "kernels/reference/common.h"
#include "kernels/reference/ops.h"

namespace nad::reference {
namespace {

void classify_group(const ClassifyArgs& a, int64_t g) {
  const int64_t first = g * a.groups.batch, end = first + a.groups.batch;
  int32_t count = 0;
  for (int64_t n = first; n < end; ++n) {
    const float* logits = a.logits.pixel(n);
    const auto best = static_cast<int32_t>(std::max_element(logits, logits + a.logits.shape.c) - logits);
    const bool correct = n - first < a.groups.valid[g] && best == a.labels[n];
    a.predicted[n] = best;
    a.tap_weight[n] = correct ? 1.0f : 0.0f;
    count += correct;
  }
  for (int64_t n = first; n < end && count > 0; ++n) a.tap_weight[n] /= static_cast<float>(count);
  a.correct_count[g] = count;
  a.apply[g] = a.needs_correct ? count > 0 : a.groups.valid[g] > 0;
}

}  // namespace

Kernel plan_classify(Planner&, const ClassifyArgs& args) {
  check_args(args);
  return [args](Context&) {
    for (int64_t g = 0; g < args.groups.count; ++g) classify_group(args, g);
  };
}

}  // namespace nad::reference
