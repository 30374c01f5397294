// Which samples the original network classifies correctly: predicted = first maximum of the logits; and K, the correct
// ones or, without correct_only, all of the class's own that count:
//   tap_weight[n] = 1 / |K| in K, else 0
//   apply[g] = K has a sample
// Samples from valid[g] on are predicted, but count as wrong, and so are images of other classes, of which apart_count
// counts those that are not predicted as the group's class. correct_count is -1 where the logits of a sample that
// counts are not all finite: its prediction means nothing.
#include <algorithm>
#include <cmath>

#include "kernels/learning_op_checks.h"
#include "kernels/reference/common.h"
#include "kernels/reference/ops.h"

namespace nad::reference {
namespace {

void classify_group(const ClassifyArgs& a, int64_t g) {
  const int64_t first = g * a.groups.batch, end = first + a.groups.batch, others = first + a.groups.own();
  int32_t correct_count = 0, in_k = 0, apart = 0;
  bool finite = true;
  for (int64_t n = first; n < end; ++n) {
    const float* logits = a.logits.pixel(n);
    const auto best = static_cast<int32_t>(std::max_element(logits, logits + a.logits.shape.c) - logits);
    const bool own = n < others, counts = own ? n - first < a.groups.valid[g] : n - others < a.groups.others[g];
    const bool correct = own && counts && best == a.labels[n], taken = a.correct_only ? correct : own && counts;
    for (int64_t k = 0; k < a.logits.shape.c && counts; ++k) finite = finite && std::isfinite(logits[k]);
    a.predicted[n] = best;
    a.tap_weight[n] = taken ? 1.0f : 0.0f;
    correct_count += correct;
    in_k += taken;
    apart += !own && counts && best != a.labels[first];
  }
  for (int64_t n = first; n < end && in_k > 0; ++n) a.tap_weight[n] /= static_cast<float>(in_k);
  a.correct_count[g] = finite ? correct_count : -1;
  if (a.apart_count) a.apart_count[g] = apart;
  a.apply[g] = in_k > 0;
}

}  // namespace

Kernel plan_classify(Planner&, const ClassifyArgs& args) {
  check_args(args);
  return [args](Context&) {
    for (int64_t g = 0; g < args.groups.count; ++g) classify_group(args, g);
  };
}

}  // namespace nad::reference
