// The weights of `specific` follow what the class has come to; the formulas are those of OperatingPointArgs
// (kernels/learning_ops.h). A thread per group, in double; a few bytes: bound by latency.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int threads = 128;

struct PointView {
  Global<const int32_t> valid, others, apply, correct, apart, own_answered, others_answered;  // [G]
  Global<const float> full_beta;                                                              // [G]
  Global<float> hyper;                                                                        // [G, 3]
  Global<double> means, weights;                                                              // [G, 2]
  double limit;
  int64_t groups;
};

__global__ void __launch_bounds__(threads) operating_point_kernel(PointView a) {
  const int64_t g = global_index();
  if (g >= a.groups) return;
  const float beta = a.hyper[3 * g + 1], lambda = a.hyper[3 * g + 2];
  a.weights[2 * g] = static_cast<double>(beta);
  a.weights[2 * g + 1] = static_cast<double>(lambda);
  const int32_t apply = a.apply[g];
  if (!apply || !(a.limit > 0)) return;
  const int32_t valid = a.valid[g], others = a.others[g], correct = a.correct[g], apart = a.apart[g];
  const int32_t own_answered = a.own_answered[g], answered = a.others_answered[g];
  const double alarms = others > 0 ? static_cast<double>(answered - (others - apart)) / others : 0.0;
  const double gain = static_cast<double>(own_answered - correct) / valid;
  const double wrong = static_cast<double>(valid - correct) / valid;
  const double surplus = gain - fmin(kDemand * wrong, kMostDemand);
  const double old_alarms = a.means[2 * g], old_surplus = a.means[2 * g + 1];
  const double mean_alarms = kMeanDecay * old_alarms + (1 - kMeanDecay) * alarms;
  const double mean_surplus = kMeanDecay * old_surplus + (1 - kMeanDecay) * surplus;
  a.means[2 * g] = mean_alarms;
  a.means[2 * g + 1] = mean_surplus;
  const double next = static_cast<double>(lambda) * exp(kLambdaRate * (mean_alarms - a.limit));
  const float full = a.full_beta[g];
  a.hyper[3 * g + 2] = static_cast<float>(fmin(fmax(next, 1.0), kMaxLambda));
  a.hyper[3 * g + 1] =
      static_cast<float>(static_cast<double>(full) * fmin(fmax(1 + mean_surplus / kSlack, 0.0), 1.0));
}

}  // namespace

Kernel plan_operating_point(Planner&, const OperatingPointArgs& args) {
  check_args(args);
  const int64_t groups = args.groups.count;
  PointView v{};
  v.valid = global(args.groups.valid, groups);
  v.others = global(args.groups.others, groups);
  v.apply = global(args.apply, groups);
  v.correct = global(args.correct_count, groups);
  v.apart = global(args.apart_count, groups);
  v.own_answered = global(args.own_answered, groups);
  v.others_answered = global(args.others_answered, groups);
  v.full_beta = global(args.full_beta, groups);
  v.hyper = global(args.hyper, 3 * groups);
  v.means = global(args.means, 2 * groups);
  v.weights = global(args.weights, 2 * groups);
  v.limit = args.max_false_alarms;
  v.groups = groups;
  return [v](Context& context) {
    launch(operating_point_kernel, blocks_for(v.groups, threads), threads, 0, stream_of(context), v);
  };
}

}  // namespace nad::cuda
