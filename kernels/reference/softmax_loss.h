// loss[g] = mean over the group's valid samples, dlogits = coefficient * d loss[g] / d logits;
// with p = softmax(z) and y = label:
//   cross-entropy: -log p_y;   d/dz = p - onehot(y)
//   binary (Eq. 12): -log max(p_y, e) - sum_{k != y} log max(1 - p_k, e), e = 1e-12
//     with q_k = d/dp_k = -1/p_y for k = y, 1/(1 - p_k) otherwise, 0 where a clamp acts:
//     d/dz_k = p_k (q_k - sum_j q_j p_j)
// `work` holds a probability per logit and the loss of each sample: N * (K + 1) doubles.
#pragma once

#include <algorithm>

#include "engine/parallel.h"
#include "kernels/learning_ops.h"
#include "kernels/reference/common.h"

namespace nad::reference {

inline constexpr double kProbabilityFloor = 1e-12;

// p = softmax(z); returns log(sum exp(z - max)) + max, so that log p_k = z_k - it.
template <class T>
double softmax(const T* z, int64_t classes, double* p) {
  const double top = static_cast<double>(*std::max_element(z, z + classes));
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += p[k] = std::exp(static_cast<double>(z[k]) - top);
  for (int64_t k = 0; k < classes; ++k) p[k] /= sum;
  return std::log(sum) + top;
}

// Derivative of the binary loss by p_k.
inline double binary_slope(double p, bool label) {
  if (label) return p >= kProbabilityFloor ? -1 / p : 0;
  return 1 - p >= kProbabilityFloor ? 1 / (1 - p) : 0;
}

// The loss of a sample; replaces p by the derivatives by the logits.
inline double binary_sample(double* p, int64_t classes, int64_t label) {
  double loss = 0, mean = 0;
  for (int64_t k = 0; k < classes; ++k) {
    loss -= std::log(std::max(k == label ? p[k] : 1 - p[k], kProbabilityFloor));
    mean += binary_slope(p[k], k == label) * p[k];
  }
  for (int64_t k = 0; k < classes; ++k) p[k] *= binary_slope(p[k], k == label) - mean;
  return loss;
}

template <class Args>
void softmax_loss_sample(const Args& a, double* work, int64_t n) {
  const int64_t classes = a.logits.shape.c, g = n / a.groups.batch, valid = a.groups.valid[g];
  const bool counts = n % a.groups.batch < valid;
  auto* dlogits = a.dlogits.pixel(n);
  double* p = work + n * classes;
  double& loss = work[a.logits.shape.n * classes + n];
  loss = 0;
  if (counts) {
    const int64_t label = a.labels[n];
    const double normaliser = softmax(a.logits.pixel(n), classes, p);
    if (a.binary) {
      loss = binary_sample(p, classes, label);
    } else {
      loss = normaliser - static_cast<double>(a.logits.pixel(n)[label]);
      p[label] -= 1;
    }
  }
  for (int64_t k = 0; k < classes; ++k) {
    put(dlogits[k], counts ? a.coefficient * p[k] / static_cast<double>(valid) : 0, Accumulate::overwrite);
  }
}

template <class Args>
void softmax_loss(const Args& a, double* work) {
  const int64_t samples = a.logits.shape.n, batch = a.groups.batch;
  parallel_for(samples, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) softmax_loss_sample(a, work, n);
  });
  const double* losses = work + samples * a.logits.shape.c;
  for (int64_t g = 0; g < a.groups.count; ++g) {
    double sum = 0;
    for (int64_t n = g * batch; n < (g + 1) * batch; ++n) sum += losses[n];
    a.loss[g] = a.groups.valid[g] > 0 ? sum / a.groups.valid[g] : 0;
  }
}

}  // namespace nad::reference
