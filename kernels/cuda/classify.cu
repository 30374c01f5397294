// Which samples the original network classifies correctly: predicted = first maximum of the logits; and K, the correct
// ones or, without correct_only, all of the class's own that count:
//   tap_weight[n] = 1 / |K| in K, else 0
//   apply[g] = K has a sample
// Samples from valid[g] on are predicted, but count as wrong, and so are images of other classes, of which apart_count
// counts those that are not predicted as the group's class. correct_count is -1 where the logits of a sample that
// counts are not all finite: its prediction means nothing.
//
// A block per group, a warp per sample. Reads N * K floats.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int warps = 8;

// The place of the first maximum of K logits from `first` on, in every lane of the warp.
__device__ inline int first_maximum(const Global<const float>& logits, int64_t first, int classes) {
  int best = 0x7fffffff;
  float top = 0;
  for (int k = lane_index(); k < classes; k += warp_size) {
    const float value = logits[first + k];
    if (best == 0x7fffffff || value > top) top = value, best = k;
  }
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const float other_top = __shfl_xor_sync(full_warp, top, step);
    const int other = __shfl_xor_sync(full_warp, best, step);
    const bool none = best == 0x7fffffff, better = other_top > top || (other_top == top && other < best);
    if (other != 0x7fffffff && (none || better)) top = other_top, best = other;
  }
  return best;
}

// Whether all K logits from `first` on are finite, in every lane of the warp.
__device__ inline bool all_finite(const Global<const float>& logits, int64_t first, int classes) {
  int broken = 0;
  for (int k = lane_index(); k < classes; k += warp_size) broken |= !isfinite(logits[first + k]);
  for (int step = warp_size / 2; step > 0; step /= 2) broken |= __shfl_xor_sync(full_warp, broken, step);
  return broken == 0;
}

// grid: groups. tap_weight holds 0 or 1 per sample until the number in K is known. own: where the others begin.
__global__ void __launch_bounds__(warps* warp_size)
    classify_kernel(Global<const float> logits, int64_t stride, int classes, int64_t batch, int64_t own,
                    Global<const int32_t> labels, Global<const int32_t> valid, Global<const int32_t> others,
                    bool correct_only, Global<int32_t> predicted, Global<float> tap_weight,
                    Global<int32_t> correct_count, Global<int32_t> apply, Global<int32_t> apart_count) {
  NAD_SHARED(int, count, 4);  // right, not finite, others that are not taken for the group's class, in K
  if (threadIdx.x == 0) count[0] = count[1] = count[2] = count[3] = 0;
  __syncthreads();
  const int64_t g = blockIdx.x;
  const int32_t counted = valid[g];
  for (int64_t b = warp_index(); b < batch; b += warps) {
    const int64_t n = g * batch + b;
    const int best = first_maximum(logits, n * stride, classes);
    const bool other = b >= own;
    int32_t end = counted;
    if (other) end = others[g];
    const bool counts = b - (other ? own : 0) < end;
    const bool finite = !counts || all_finite(logits, n * stride, classes);
    if (lane_index() != 0) continue;
    if (!finite) atomic_add(count, 1, 1);
    const int32_t label = labels[other ? g * batch : n];
    const bool is_own = !other && counts, correct = is_own && best == label, taken = correct_only ? correct : is_own;
    predicted[n] = best;
    tap_weight[n] = taken ? 1.0f : 0.0f;
    if (correct) atomic_add(count, 0, 1);  // whole numbers: any order gives the same sum
    if (taken) atomic_add(count, 3, 1);
    if (other && counts && best != label) atomic_add(count, 2, 1);
  }
  __syncthreads();
  const int in_k = count[3];
  for (int64_t b = threadIdx.x; b < batch && in_k > 0; b += warps * warp_size) {
    tap_weight[g * batch + b] /= static_cast<float>(in_k);
  }
  if (threadIdx.x != 0) return;
  correct_count[g] = count[1] > 0 ? -1 : count[0];
  apply[g] = in_k > 0;
  if (apart_count) apart_count[g] = count[2];
}

}  // namespace

Kernel plan_classify(Planner&, const ClassifyArgs& args) {
  check_args(args);
  return [args](Context& context) {
    const int64_t samples = args.logits.shape.n, groups = args.groups.count;
    launch(classify_kernel, groups, warps * warp_size, 0, stream_of(context), global(args.logits), args.logits.stride,
           static_cast<int>(args.logits.shape.c), args.groups.batch, args.groups.own(), global(args.labels, samples),
           global(args.groups.valid, groups), global(args.groups.others, groups), args.correct_only,
           global(args.predicted, samples), global(args.tap_weight, samples), global(args.correct_count, groups),
           global(args.apply, groups), global(args.apart_count, groups));
  };
}

}  // namespace nad::cuda
