// The data terms of the objective `specific` and their gradient at the gated logits z, o the original's; per sample:
//   own image:    logsumexp(z) - z[label];   d/dz = softmax(z) - onehot(label)
//   another class's, named_class, not predicted as c:  d = z_c - logsumexp_{k != c}(z)
//     log(1 + e^d) = -log(1 - p_c);   d/dz_c = p_c = sigmoid(d),   d/dz_k = -p_c softmax_{j != c}(z)_k
//   another class's, all:  sum_k t_k (log t_k - log softmax(z)_k), t = softmax(o), over k != c where not predicted as c
//     d/dz = softmax(z) - t
// Each over the number of samples of its kind in the group; those of others times lambda in the gradient.
//
// A block per sample, all sums in double; exp is evaluated again instead of stored. Then a thread per group adds the
// samples' losses in order. Reads 4 to 8 and writes 4 bytes per logit.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/block_reduce.h"
#include "kernels/cuda/gate_math.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int warps = 4;
constexpr int threads = warps * warp_size;
constexpr int no_class = -1;

struct SpecificView {
  Global<const float> original, logits;           // [N, K]
  Global<float> dlogits;                          // [N, K]
  Global<const int32_t> labels, predicted;        // [N]
  Global<const int32_t> valid, others, counts;    // [G]; counts: samples that the mean over others is over
  Global<const float> hyper;                      // [G, 3]
  Global<double> sample_loss, sample_answered;    // [N]
  Global<double> cross_entropy, specificity;      // [G]
  Global<int32_t> own_answered, others_answered;  // [G]
  int64_t original_stride, logits_stride, dlogits_stride, batch, own, groups;
  int classes;
  bool all;
};

// One sample's row of logits.
struct Row {
  const Global<const float>& values;
  int64_t first;
  __device__ double operator[](int k) const {
    const float v = values[first + k];
    return static_cast<double>(v);
  }
};

// log sum exp over all classes but `without`, in every thread.
__device__ inline double log_sum_exp(const Row& z, int classes, int without, const Shared<double>& shared) {
  double top = -INFINITY, sum = 0;
  for (int k = threadIdx.x; k < classes; k += threads) {
    if (k != without) top = fmax(top, z[k]);
  }
  top = block_max<warps>(top, shared);
  for (int k = threadIdx.x; k < classes; k += threads) {
    if (k != without) sum += exp(z[k] - top);
  }
  return top + log(block_sum<warps>(sum, shared));
}

// 1 where c is the first maximum, in every thread.
__device__ inline double is_answer(const Row& z, int classes, int c, const Shared<double>& shared) {
  const double mine = z[c];
  double beaten = 0;
  for (int k = threadIdx.x; k < classes; k += threads) {
    const double other = z[k];
    if (other > mine || (other == mine && k < c)) beaten = 1;
  }
  return 1 - block_max<warps>(beaten, shared);
}

struct Sample {
  const SpecificView& a;
  const Shared<double>& shared;
  int64_t n;
  double weight;
  Row z;

  __device__ void store(int k, double slope) const {
    a.dlogits[n * a.dlogits_stride + k] = static_cast<float>(weight * slope);
  }
  __device__ double cross_entropy(int label) const {
    const double all = log_sum_exp(z, a.classes, no_class, shared);
    for (int k = threadIdx.x; k < a.classes; k += threads) store(k, exp(z[k] - all) - (k == label ? 1.0 : 0.0));
    return all - z[label];
  }
  __device__ double not_class(int c) const {
    const double rest = log_sum_exp(z, a.classes, c, shared), distance = z[c] - rest, p = sigmoid(distance);
    for (int k = threadIdx.x; k < a.classes; k += threads) store(k, k == c ? p : -p * exp(z[k] - rest));
    return softplus(distance);
  }
  __device__ double as_original(int without) const {
    const Row o{a.original, n * a.original_stride};
    const double wanted = log_sum_exp(o, a.classes, without, shared);
    const double all = log_sum_exp(z, a.classes, no_class, shared);
    double loss = 0;
    for (int k = threadIdx.x; k < a.classes; k += threads) {
      const double t = k == without ? 0.0 : exp(o[k] - wanted);
      if (t > 0) loss += t * ((o[k] - wanted) - (z[k] - all));
      store(k, exp(z[k] - all) - t);
    }
    return block_sum<warps>(loss, shared);
  }
};

// grid: samples. All branches are the same in every thread of the block.
__global__ void __launch_bounds__(threads) specific_loss_kernel(SpecificView a) {
  NAD_SHARED(double, shared, warps);
  const int64_t n = blockIdx.x, g = n / a.batch, place = n % a.batch;
  const bool other = place >= a.own;
  const int32_t valid = a.valid[g], others = a.others[g], c = a.labels[g * a.batch];
  const bool counts = other ? place - a.own < others : place < valid;
  const Row z{a.logits, n * a.logits_stride};
  double loss = 0, answered = 0;
  bool written = false;
  if (counts && !other) {
    const int32_t label = a.labels[n];
    loss = Sample{a, shared, n, 1.0 / valid, z}.cross_entropy(label);
    answered = is_answer(z, a.classes, c, shared);
    written = true;
  } else if (counts) {
    const int32_t best = a.predicted[n], total = a.counts[g];
    const float lambda = a.hyper[3 * g + 2];
    const Sample sample{a, shared, n, static_cast<double>(lambda) / total, z};
    answered = is_answer(z, a.classes, c, shared);
    written = a.all || best != c;
    if (written) loss = a.all ? sample.as_original(best == c ? no_class : c) : sample.not_class(c);
  }
  for (int k = threadIdx.x; k < a.classes && !written; k += threads) a.dlogits[n * a.dlogits_stride + k] = 0.0f;
  if (threadIdx.x != 0) return;
  a.sample_loss[n] = loss;
  a.sample_answered[n] = answered;
}

// The means over a group's samples; a thread per group.
__global__ void __launch_bounds__(threads) mean_specific_loss_kernel(SpecificView a) {
  const int64_t g = global_index();
  if (g >= a.groups) return;
  double own = 0, others = 0, own_answered = 0, answered = 0;
  for (int64_t n = g * a.batch; n < g * a.batch + a.own; ++n) {
    own += a.sample_loss[n];
    own_answered += a.sample_answered[n];
  }
  for (int64_t n = g * a.batch + a.own; n < (g + 1) * a.batch; ++n) {
    others += a.sample_loss[n];
    answered += a.sample_answered[n];
  }
  const int32_t valid = a.valid[g], total = a.counts[g];
  a.cross_entropy[g] = valid > 0 ? own / valid : 0.0;
  a.specificity[g] = total > 0 ? others / total : 0.0;
  a.own_answered[g] = static_cast<int32_t>(own_answered);
  a.others_answered[g] = static_cast<int32_t>(answered);
}

}  // namespace

Kernel plan_specific_loss(Planner& planner, const SpecificLossArgs& args) {
  check_args(args);
  const int64_t samples = args.logits.shape.n, groups = args.groups.count;
  planner.reserve_scratch(2 * sizeof(double) * static_cast<size_t>(samples));
  SpecificView view{};
  view.original = global(args.original);
  view.logits = global(args.logits);
  view.dlogits = global(args.dlogits);
  view.labels = global(args.labels, samples);
  view.predicted = global(args.predicted, samples);
  view.valid = global(args.groups.valid, groups);
  view.others = global(args.groups.others, groups);
  view.all = args.target == SpecificTarget::all;
  view.counts = view.all ? view.others : global(args.apart_count, groups);
  view.hyper = global(args.hyper, 3 * groups);
  view.cross_entropy = global(args.cross_entropy, groups);
  view.specificity = global(args.specificity, groups);
  view.own_answered = global(args.own_answered, groups);
  view.others_answered = global(args.others_answered, groups);
  view.original_stride = args.original.stride;
  view.logits_stride = args.logits.stride;
  view.dlogits_stride = args.dlogits.stride;
  view.batch = args.groups.batch;
  view.own = args.groups.own();
  view.groups = groups;
  view.classes = static_cast<int>(args.logits.shape.c);
  return [=](Context& context) {
    SpecificView v = view;
    auto* scratch = reinterpret_cast<double*>(context.scratch());
    v.sample_loss = Global<double>(scratch, samples);
    v.sample_answered = Global<double>(scratch + samples, samples);
    launch(specific_loss_kernel, samples, threads, 0, stream_of(context), v);
    launch(mean_specific_loss_kernel, blocks_for(groups, threads), threads, 0, stream_of(context), v);
  };
}

}  // namespace nad::cuda
