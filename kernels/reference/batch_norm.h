// BatchNorm with the batch's statistics, forward and backward; equations in engine/ops.h. One channel at a time, sums
// in double; the variance from differences to the mean.
#pragma once

#include "kernels/reference/common.h"

namespace nad::reference {

template <class Args>
void batch_norm_channel(const Args& a, int64_t c) {
  using T = Element<decltype(a.y)>;
  const int64_t pixels = a.x.shape.pixels();
  const double count = static_cast<double>(pixels);
  double sum = 0, square = 0;
  for (int64_t p = 0; p < pixels; ++p) sum += static_cast<double>(a.x.pixel(p)[c]);
  const double mean = sum / count;
  for (int64_t p = 0; p < pixels; ++p) {
    const double difference = static_cast<double>(a.x.pixel(p)[c]) - mean;
    square += difference * difference;
  }
  const double variance = square / count, rstd = 1 / std::sqrt(variance + static_cast<double>(a.epsilon));
  for (int64_t p = 0; p < pixels; ++p) {
    const double xhat = (static_cast<double>(a.x.pixel(p)[c]) - mean) * rstd;
    const double z = static_cast<double>(a.gamma[c]) * xhat + static_cast<double>(a.beta[c]);
    a.y.pixel(p)[c] = static_cast<T>(a.relu ? relu(z) : z);
  }
  a.mean[c] = static_cast<T>(mean);
  a.rstd[c] = static_cast<T>(rstd);
  if (!a.running_mean) return;
  const double momentum = static_cast<double>(a.momentum), unbiased = pixels > 1 ? square / (count - 1) : variance;
  const auto move = [momentum](T& running, double value) {
    running = static_cast<T>((1 - momentum) * static_cast<double>(running) + momentum * value);
  };
  move(a.running_mean[c], mean);
  move(a.running_variance[c], unbiased);
}

template <class Args>
void batch_norm_backward_channel(const Args& a, int64_t c) {
  using T = Element<decltype(a.dx)>;
  const int64_t pixels = a.x.shape.pixels();
  const double mean = static_cast<double>(a.mean[c]), rstd = static_cast<double>(a.rstd[c]);
  const auto gradient = [&](int64_t p) {
    return a.y && a.y.pixel(p)[c] == 0 ? 0.0 : static_cast<double>(a.dy.pixel(p)[c]);
  };
  const auto normal = [&](int64_t p) { return (static_cast<double>(a.x.pixel(p)[c]) - mean) * rstd; };
  double sum = 0, product = 0;
  for (int64_t p = 0; p < pixels; ++p) {
    sum += gradient(p);
    product += gradient(p) * normal(p);
  }
  const double count = static_cast<double>(pixels), factor = static_cast<double>(a.gamma[c]) * rstd;
  for (int64_t p = 0; p < pixels; ++p) {
    put(a.dx.pixel(p)[c], factor * (gradient(p) - sum / count - normal(p) * product / count), a.mode);
  }
  a.dbeta[c] = static_cast<T>(sum);
  a.dgamma[c] = static_cast<T>(product);
}

template <class Args>
void batch_norm(const Args& a) {
  for (int64_t c = 0; c < a.x.shape.c; ++c) batch_norm_channel(a, c);
}

template <class Args>
void batch_norm_backward(const Args& a) {
  for (int64_t c = 0; c < a.x.shape.c; ++c) batch_norm_backward_channel(a, c);
}

}  // namespace nad::reference
