// loss[g] = mean over the group's valid samples, dlogits = coefficient * d loss[g] / d logits;
// with p = softmax(z) and y = label:
//   cross-entropy: -log p_y;   d/dz = p - onehot(y)
//   binary (Eq. 12): -log max(p_y, e) - sum_{k != y} log max(1 - p_k, e), e = 1e-12
//     with q_k = d/dp_k = -1/p_y for k = y, 1/(1 - p_k) otherwise, 0 where a clamp acts:
//     d/dz_k = p_k (q_k - sum_j q_j p_j)
//
// A block per sample, all sums in double; exp is evaluated again instead of stored. Then a thread per group adds the
// samples' losses in order. Reads 4 and writes 4 bytes per logit.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/block_reduce.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int warps = 4;
constexpr int threads = warps * warp_size;
constexpr double probability_floor = 1e-12;

struct LossView {
  Global<const float> logits;    // [N, K]
  Global<float> dlogits;         // [N, K]
  Global<const int32_t> labels;  // [N]
  Global<const int32_t> valid;   // [G]
  Global<double> sample_loss;    // [N]
  int64_t logits_stride, dlogits_stride, batch;
  int classes;
  bool binary;
  double coefficient;
};

// Derivative of the binary loss by p_k.
__device__ inline double binary_slope(double p, bool label) {
  if (label) return p >= probability_floor ? -1 / p : 0;
  return 1 - p >= probability_floor ? 1 / (1 - p) : 0;
}

// grid: samples.
__global__ void __launch_bounds__(threads) softmax_loss_kernel(LossView a) {
  NAD_SHARED(double, shared, warps);
  const int64_t n = blockIdx.x, from = n * a.logits_stride, to = n * a.dlogits_stride;
  const int32_t valid = a.valid[n / a.batch];
  const bool counts = n % a.batch < valid;  // the same in every thread of the block
  if (!counts) {
    for (int k = threadIdx.x; k < a.classes; k += threads) a.dlogits[to + k] = 0.0f;
    if (threadIdx.x == 0) a.sample_loss[n] = 0.0;
    return;
  }
  const int32_t label = a.labels[n];
  const auto logit = [&](int k) {
    const float z = a.logits[from + k];
    return static_cast<double>(z);
  };
  double top = -INFINITY, sum = 0;
  for (int k = threadIdx.x; k < a.classes; k += threads) {
    const double z = logit(k);
    top = z > top ? z : top;
  }
  top = block_max<warps>(top, shared);
  for (int k = threadIdx.x; k < a.classes; k += threads) sum += exp(logit(k) - top);
  sum = block_sum<warps>(sum, shared);
  double loss = 0, mean = 0;
  if (a.binary) {
    for (int k = threadIdx.x; k < a.classes; k += threads) {
      const double p = exp(logit(k) - top) / sum, argument = k == label ? p : 1 - p;
      loss -= log(argument > probability_floor ? argument : probability_floor);
      mean += binary_slope(p, k == label) * p;
    }
    loss = block_sum<warps>(loss, shared);
    mean = block_sum<warps>(mean, shared);
  } else {
    loss = log(sum) + top - logit(label);
  }
  for (int k = threadIdx.x; k < a.classes; k += threads) {
    const double p = exp(logit(k) - top) / sum;
    const double slope = a.binary ? p * (binary_slope(p, k == label) - mean) : p - (k == label ? 1.0 : 0.0);
    a.dlogits[to + k] = static_cast<float>(a.coefficient * slope / valid);
  }
  if (threadIdx.x == 0) a.sample_loss[n] = loss;
}

// loss[g] = sum of the group's sample losses over its valid samples.
__global__ void __launch_bounds__(threads)
    mean_loss_kernel(Global<const double> sample_loss, Global<const int32_t> valid, int64_t groups, int64_t batch,
                     Global<double> loss) {
  const int64_t g = global_index();
  if (g >= groups) return;
  double sum = 0;
  for (int64_t n = g * batch; n < (g + 1) * batch; ++n) sum += sample_loss[n];
  const int32_t counted = valid[g];
  loss[g] = counted > 0 ? sum / counted : 0.0;
}

}  // namespace

Kernel plan_softmax_loss(Planner& planner, const SoftmaxLossArgs& args) {
  check_args(args);
  const int64_t samples = args.logits.shape.n, groups = args.groups.count;
  planner.reserve_scratch(sizeof(double) * static_cast<size_t>(samples));
  LossView view{};
  view.logits = global(args.logits);
  view.dlogits = global(args.dlogits);
  view.labels = global(args.labels, samples);
  view.valid = global(args.groups.valid, groups);
  view.logits_stride = args.logits.stride;
  view.dlogits_stride = args.dlogits.stride;
  view.batch = args.groups.batch;
  view.classes = static_cast<int>(args.logits.shape.c);
  view.binary = args.binary;
  view.coefficient = static_cast<double>(args.coefficient);
  return [=](Context& context) {
    LossView v = view;
    v.sample_loss = Global<double>(reinterpret_cast<double*>(context.scratch()), samples);
    launch(softmax_loss_kernel, samples, threads, 0, stream_of(context), v);
    launch(mean_loss_kernel, blocks_for(groups, threads), threads, 0, stream_of(context), v.sample_loss, v.valid,
           groups, v.batch, global(args.loss, groups));
  };
}

}  // namespace nad::cuda
