// One gate's terms of the objective, the gradient at its logits m and sigma logits s, and the normalised update (Eq.
// 15). mu = sigmoid(m), v = softplus(s), S = sum_square, M = valid * plane * C, dg = dgate of the group's row:
//   released, specific: regularisation = mean mu^2 / L
//                by mu: beta * 2 mu / (C L) + dg
//   paper:       reconstruction = sum (1-mu)^2 S / M,    regularisation = sum mu^2 S / M
//                by mu: 2 ((mu - 1) + beta mu) S / M + dg
//   variational: reconstruction = (sum ((1-mu)^2 S + sum_log) / M + log 2 pi) / 2
//                regularisation = (sum (v^2 S - sum_log + mu^2 S) / M - 1) / 2
//                by mu: ((mu - 1) + beta mu) S / M + sum_b dg_b
//                by v:  ((1 - beta) v sum_ratio + beta v S) / M + sum_b dg_b noise_b
//   d mu / d m = mu (1 - mu), d v / d s = sigmoid(s);  m -= lr * gradient / max(norm2(gradient), 1e-12), s alike
//   specific: dg is the gradient at the binary multiplier, and Adam makes the step (kernels/learning_ops.h)
//
// A block per group; all in double. A few hundred kilobytes: bound by latency.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/block_reduce.h"
#include "kernels/cuda/gate_math.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int warps = 8;
constexpr int threads = warps * warp_size;
constexpr double norm_floor = 1e-12;

struct UpdateView {
  Objective objective;
  int64_t groups, batch, channels, plane, gates;
  Global<const int32_t> valid, apply;                   // [G]
  Global<const float> hyper;                            // [G, 3]: lr, beta, lambda
  Global<const float> tap_weight;                       // [N], released and specific
  Global<const double> tap_sum;                         // [N], released and specific
  Global<const double> sum_square, sum_log, sum_ratio;  // [G, C]
  Global<const float> dgate;                            // [rows, C]
  Global<const float> noise;                            // [N, C], variational
  Global<float> logits, sigma, gradient;                // [G, C]
  Global<double> terms;                                 // [G, 2]
  Global<float> adam_mean, adam_square;                 // [G, C], specific
  Global<uint64_t> adam_steps;                          // [G], specific
};

// The numbers of one group and the formulas of one channel.
struct GroupUpdate {
  const UpdateView& a;
  int64_t group, first;
  int32_t valid;
  double elements, beta, layers;

  __device__ GroupUpdate(const UpdateView& view, int64_t g) : a(view), group(g), first(g * view.channels) {
    valid = a.valid[g];
    elements = static_cast<double>(valid) * static_cast<double>(a.plane * a.channels);
    const float b = a.hyper[3 * g + 1];
    beta = static_cast<double>(b);
    layers = static_cast<double>(a.gates);
  }
  __device__ bool variational() const { return a.objective == Objective::variational; }
  // uses_taps() of the objective, a function of the host.
  __device__ bool taps() const { return a.objective == Objective::released || a.objective == Objective::specific; }
  __device__ double mu(int64_t c) const {
    const float m = a.logits[first + c];
    return sigmoid(static_cast<double>(m));
  }
  __device__ double sigma_logit(int64_t c) const {
    const float s = a.sigma[first + c];
    return static_cast<double>(s);
  }
  __device__ double mean(const Global<const double>& sums, int64_t c) const {
    if (valid <= 0) return 0;
    const double sum = sums[first + c];
    return sum / elements;
  }
  // The chain's part: the gradient at the group's multipliers, or with the noise as weight.
  __device__ double chain(int64_t c, bool with_noise) const {
    double sum = 0;
    if (!variational()) {
      const float d = a.dgate[(1 + group) * a.channels + c];
      return static_cast<double>(d);
    }
    for (int64_t n = group * a.batch; n < group * a.batch + valid; ++n) {
      const float d = a.dgate[(1 + n) * a.channels + c];
      const float weight = with_noise ? static_cast<float>(a.noise[n * a.channels + c]) : 1.0f;
      sum += static_cast<double>(weight) * static_cast<double>(d);
    }
    return sum;
  }
  __device__ double logit_gradient(int64_t c) const {
    const double m = mu(c);
    const double direct = taps() ? beta * 2 * m / (static_cast<double>(a.channels) * layers)
                                 : (variational() ? 1 : 2) * ((m - 1) + beta * m) * mean(a.sum_square, c);
    return (direct + chain(c, false)) * m * (1 - m);
  }
  __device__ double sigma_gradient(int64_t c) const {  // by the sigma logit
    const double s = sigma_logit(c), v = softplus(s);
    const double direct = (1 - beta) * v * mean(a.sum_ratio, c) + beta * v * mean(a.sum_square, c);
    return (direct + chain(c, true)) * sigmoid(s);
  }
  // One channel's part of the two terms.
  __device__ void add_terms(int64_t c, double& reconstruction, double& regularisation) const {
    const double m = mu(c);
    if (taps()) {
      regularisation += m * m;
      return;
    }
    const double square = mean(a.sum_square, c);
    reconstruction += (1 - m) * (1 - m) * square;
    regularisation += m * m * square;
    if (!variational()) return;
    const double v = softplus(sigma_logit(c)), log_mean = mean(a.sum_log, c);
    reconstruction += log_mean;
    regularisation += v * v * square - log_mean;
  }
  // From the sums over the channels to the terms; one thread.
  __device__ void write_terms(double reconstruction, double regularisation) const {
    if (taps()) {
      for (int64_t n = group * a.batch; n < group * a.batch + valid; ++n) {
        const float weight = a.tap_weight[n];
        const double distance = a.tap_sum[n];
        if (weight != 0.0f) reconstruction += static_cast<double>(weight) * distance;
      }
      reconstruction /= static_cast<double>(a.plane * a.channels) * layers;
      regularisation /= static_cast<double>(a.channels) * layers;
    } else if (valid <= 0) {
      reconstruction = regularisation = 0;
    } else if (variational()) {
      reconstruction = 0.5 * (reconstruction + log(2 * 3.14159265358979323846));
      regularisation = 0.5 * (regularisation - 1);
    }
    a.terms[2 * group] = reconstruction;
    a.terms[2 * group + 1] = regularisation;
  }
};

// A step of Adam at the thread's channels; t: of the step, from 1 on.
__device__ inline void step_by_adam(const UpdateView& a, int64_t first, double rate, uint64_t step) {
  const auto t = static_cast<double>(step);
  const double mean_share = 1 - pow(kAdamMeanDecay, t), square_share = 1 - pow(kAdamSquareDecay, t);
  for (int64_t c = threadIdx.x; c < a.channels; c += threads) {
    const int64_t i = first + c;
    const float g = a.gradient[i], logit = a.logits[i], old_mean = a.adam_mean[i], old_square = a.adam_square[i];
    const auto gradient = static_cast<double>(g);
    const double mean = kAdamMeanDecay * static_cast<double>(old_mean) + (1 - kAdamMeanDecay) * gradient;
    const double square =
        kAdamSquareDecay * static_cast<double>(old_square) + (1 - kAdamSquareDecay) * gradient * gradient;
    const double step_by = rate * (mean / mean_share) / (sqrt(square / square_share) + kAdamFloor);
    a.adam_mean[i] = static_cast<float>(mean);
    a.adam_square[i] = static_cast<float>(square);
    const double moved = static_cast<double>(logit) - step_by;  // NaN stays NaN, which fmin and fmax would hide
    a.logits[i] = static_cast<float>(moved < -kLogitBound ? -kLogitBound : moved > kLogitBound ? kLogitBound : moved);
  }
}

// grid: groups. A thread keeps to its channels, so only the norms need the block.
__global__ void __launch_bounds__(threads) gate_update_kernel(UpdateView a) {
  NAD_SHARED(double, shared, warps);
  const GroupUpdate group(a, blockIdx.x);
  double square = 0, sigma_square = 0, reconstruction = 0, regularisation = 0;
  uint64_t steps = 0;
  if (a.adam_steps) steps = a.adam_steps[group.group];  // before the sums' barriers: a thread writes it at the end
  for (int64_t c = threadIdx.x; c < a.channels; c += threads) {
    const double gradient = group.logit_gradient(c);
    a.gradient[group.first + c] = static_cast<float>(gradient);
    square += gradient * gradient;
    group.add_terms(c, reconstruction, regularisation);
    if (!group.variational()) continue;
    const double sigma_gradient = group.sigma_gradient(c);
    sigma_square += sigma_gradient * sigma_gradient;
  }
  square = block_sum<warps>(square, shared);
  sigma_square = block_sum<warps>(sigma_square, shared);
  reconstruction = block_sum<warps>(reconstruction, shared);
  regularisation = block_sum<warps>(regularisation, shared);
  if (threadIdx.x == 0) group.write_terms(reconstruction, regularisation);

  const float rate = a.hyper[3 * group.group];
  const int32_t apply = a.apply[group.group];
  if (!apply || !(rate > 0)) return;
  if (a.objective == Objective::specific) {
    step_by_adam(a, group.first, static_cast<double>(rate), steps + 1);
    if (threadIdx.x == 0) a.adam_steps[group.group] = steps + 1;
    return;
  }
  const double step = static_cast<double>(rate) / fmax(sqrt(square), norm_floor);
  const double sigma_step = static_cast<double>(rate) / fmax(sqrt(sigma_square), norm_floor);
  for (int64_t c = threadIdx.x; c < a.channels; c += threads) {
    const int64_t i = group.first + c;
    const float gradient = a.gradient[i], logit = a.logits[i];
    a.logits[i] = static_cast<float>(static_cast<double>(logit) - step * static_cast<double>(gradient));
    if (!group.variational()) continue;
    const double sigma_gradient = group.sigma_gradient(c);
    a.sigma[i] = static_cast<float>(group.sigma_logit(c) - sigma_step * sigma_gradient);
  }
}

}  // namespace

Kernel plan_gate_update(Planner&, const GateUpdateArgs& args) {
  check_args(args);
  const bool noisy = args.objective == Objective::variational;
  const int64_t g = args.groups.count, n = g * args.groups.batch, c = args.channels, values = g * c;
  UpdateView v{};
  v.objective = args.objective;
  v.groups = g;
  v.batch = args.groups.batch;
  v.channels = c;
  v.plane = args.plane;
  v.gates = args.gates;
  v.valid = global(args.groups.valid, g);
  v.apply = global(args.apply, g);
  v.hyper = global(args.hyper, 3 * g);
  v.tap_weight = global(args.tap_weight, n);
  v.tap_sum = global(args.tap_sum, n);
  v.sum_square = global(args.sum_square, values);
  v.sum_log = global(args.sum_log, values);
  v.sum_ratio = global(args.sum_ratio, values);
  v.dgate = global(args.dgate, (1 + (noisy ? n : g)) * c);
  v.noise = global(args.noise, n * c);
  v.logits = global(args.logits, values);
  v.sigma = global(args.sigma, values);
  v.gradient = global(args.gradient, values);
  v.terms = global(args.terms, 2 * g);
  v.adam_mean = global(args.adam_mean, values);
  v.adam_square = global(args.adam_square, values);
  v.adam_steps = global(args.adam_steps, g);
  return [v](Context& context) { launch(gate_update_kernel, v.groups, threads, 0, stream_of(context), v); };
}

}  // namespace nad::cuda
