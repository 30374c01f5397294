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
#pragma once

#include <algorithm>

#include "engine/parallel.h"
#include "kernels/learning_ops.h"
#include "kernels/reference/common.h"

namespace nad::reference {

template <class Args>
class GateUpdate {
 public:
  GateUpdate(const Args& args, int64_t group) : a_(args), g_(group), first_(group * args.channels) {
    valid_ = args.groups.valid[group];
    elements_ = static_cast<double>(valid_) * static_cast<double>(args.plane * args.channels);
    lr_ = static_cast<double>(args.hyper[3 * group]);
    beta_ = static_cast<double>(args.hyper[3 * group + 1]);
    layers_ = static_cast<double>(args.gates);
  }

  void run() const {
    double square = 0, sigma_square = 0;
    for (int64_t c = 0; c < a_.channels; ++c) {
      const double gradient = logit_gradient(c);
      put(a_.gradient[first_ + c], gradient, Accumulate::overwrite);
      square += gradient * gradient;
      if (variational()) sigma_square += std::pow(sigma_gradient(c), 2);
    }
    write_terms();
    if (!a_.apply[g_] || !(lr_ > 0)) return;
    if (a_.objective == Objective::specific) {
      step_by_adam();
      return;
    }
    const double step = lr_ / std::max(std::sqrt(square), kNormFloor);
    const double sigma_step = lr_ / std::max(std::sqrt(sigma_square), kNormFloor);
    for (int64_t c = 0; c < a_.channels; ++c) {
      put(a_.logits[first_ + c], -step * static_cast<double>(a_.gradient[first_ + c]), Accumulate::add);
      if (variational()) put(a_.sigma[first_ + c], -sigma_step * sigma_gradient(c), Accumulate::add);
    }
  }

 private:
  static constexpr double kNormFloor = 1e-12;

  void step_by_adam() const {
    const auto t = static_cast<double>(++a_.adam_steps[g_]);
    const double mean_share = 1 - std::pow(kAdamMeanDecay, t), square_share = 1 - std::pow(kAdamSquareDecay, t);
    for (int64_t i = first_; i < first_ + a_.channels; ++i) {
      const auto gradient = static_cast<double>(a_.gradient[i]), logit = static_cast<double>(a_.logits[i]);
      const double mean = kAdamMeanDecay * static_cast<double>(a_.adam_mean[i]) + (1 - kAdamMeanDecay) * gradient;
      const double square =
          kAdamSquareDecay * static_cast<double>(a_.adam_square[i]) + (1 - kAdamSquareDecay) * gradient * gradient;
      const double step = lr_ * (mean / mean_share) / (std::sqrt(square / square_share) + kAdamFloor);
      put(a_.adam_mean[i], mean, Accumulate::overwrite);
      put(a_.adam_square[i], square, Accumulate::overwrite);
      put(a_.logits[i], std::clamp(logit - step, -kLogitBound, kLogitBound), Accumulate::overwrite);
    }
  }

  bool variational() const { return a_.objective == Objective::variational; }
  double mu(int64_t c) const { return sigmoid(static_cast<double>(a_.logits[first_ + c])); }
  double sigma(int64_t c) const { return softplus(static_cast<double>(a_.sigma[first_ + c])); }
  // A sum of GateStatisticsArgs over the number of elements; 0 for a group without samples.
  double mean(const double* sums, int64_t c) const { return valid_ > 0 ? sums[first_ + c] / elements_ : 0; }

  // The chain's part: the gradient at the group's multipliers, or with the noise as weight.
  double chain(int64_t c, bool with_noise) const {
    if (!variational()) return static_cast<double>(a_.dgate[(1 + g_) * a_.channels + c]);
    double sum = 0;
    for (int64_t n = g_ * a_.groups.batch; n < g_ * a_.groups.batch + valid_; ++n) {
      const double weight = with_noise ? static_cast<double>(a_.noise[n * a_.channels + c]) : 1;
      sum += weight * static_cast<double>(a_.dgate[(1 + n) * a_.channels + c]);
    }
    return sum;
  }

  double logit_gradient(int64_t c) const {
    const double m = mu(c);
    double direct = 0;
    if (uses_taps(a_.objective)) {
      direct = beta_ * 2 * m / (static_cast<double>(a_.channels) * layers_);
    } else {
      direct = (variational() ? 1 : 2) * ((m - 1) + beta_ * m) * mean(a_.sum_square, c);
    }
    return (direct + chain(c, false)) * m * (1 - m);
  }

  // By the sigma logit.
  double sigma_gradient(int64_t c) const {
    const double v = sigma(c);
    const double direct = (1 - beta_) * v * mean(a_.sum_ratio, c) + beta_ * v * mean(a_.sum_square, c);
    return (direct + chain(c, true)) * sigmoid(static_cast<double>(a_.sigma[first_ + c]));
  }

  void write_terms() const {
    double reconstruction = 0, regularisation = 0;
    if (uses_taps(a_.objective)) {
      for (int64_t n = g_ * a_.groups.batch; n < g_ * a_.groups.batch + valid_; ++n) {
        if (a_.tap_weight[n] != 0) reconstruction += static_cast<double>(a_.tap_weight[n]) * a_.tap_sum[n];
      }
      reconstruction /= static_cast<double>(a_.plane * a_.channels) * layers_;
      for (int64_t c = 0; c < a_.channels; ++c) regularisation += mu(c) * mu(c);
      regularisation /= static_cast<double>(a_.channels) * layers_;
    } else if (valid_ > 0) {
      for (int64_t c = 0; c < a_.channels; ++c) add_channel(c, reconstruction, regularisation);
      if (variational()) {
        reconstruction = 0.5 * (reconstruction + std::log(2 * 3.14159265358979323846));
        regularisation = 0.5 * (regularisation - 1);
      }
    }
    a_.terms[2 * g_] = reconstruction;
    a_.terms[2 * g_ + 1] = regularisation;
  }

  void add_channel(int64_t c, double& reconstruction, double& regularisation) const {
    const double m = mu(c), square = mean(a_.sum_square, c);
    reconstruction += (1 - m) * (1 - m) * square;
    regularisation += m * m * square;
    if (!variational()) return;
    reconstruction += mean(a_.sum_log, c);
    regularisation += sigma(c) * sigma(c) * square - mean(a_.sum_log, c);
  }

  const Args& a_;
  int64_t g_, first_, valid_;
  double elements_, lr_, beta_, layers_;
};

template <class Args>
void gate_update(const Args& a) {
  parallel_for(a.groups.count, [&](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; ++g) GateUpdate<Args>(a, g).run();
  });
}

}  // namespace nad::reference
