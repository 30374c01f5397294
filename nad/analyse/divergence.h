// How far two answers of a network are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace nad {

// KL(p || q) of the softmax of two lists of logits of equal length, in nats; in double.
inline double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const auto log_total = [](std::span<const float> logits) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
    return largest + std::log(sum);
  };
  const double of_p = log_total(p), of_q = log_total(q);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - of_p, log_q = static_cast<double>(q[i]) - of_q;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(0.0, sum);
}

}  // namespace nad
