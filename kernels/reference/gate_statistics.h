// Per group and channel, over the valid samples and pixels of the original representation R, s = softplus(sigma):
//   sum_square = sum R^2,  sum_log = sum log((s R)^2 + 1e-6),  sum_ratio = sum R^2 / ((s R)^2 + 1e-6)
#pragma once

#include "engine/parallel.h"
#include "kernels/learning_ops.h"
#include "kernels/reference/common.h"

namespace nad::reference {

inline constexpr double kVarianceFloor = 1e-6;

template <class Args>
void gate_statistics_channel(const Args& a, int64_t g, int64_t c) {
  const Shape& s = a.original.shape;
  const int64_t first = g * a.groups.batch * s.h * s.w, end = first + a.groups.valid[g] * s.h * s.w;
  const int64_t to = g * s.c + c;
  const double sigma = a.sigma ? softplus(static_cast<double>(a.sigma[to])) : 0;
  double square = 0, log_sum = 0, ratio = 0;
  for (int64_t pixel = first; pixel < end; ++pixel) {
    const double r = static_cast<double>(a.original.pixel(pixel)[c]),
                 variance = sigma * r * sigma * r + kVarianceFloor;
    square += r * r;
    if (!a.sigma) continue;
    log_sum += std::log(variance);
    ratio += r * r / variance;
  }
  a.sum_square[to] = square;
  if (!a.sigma) return;
  a.sum_log[to] = log_sum;
  a.sum_ratio[to] = ratio;
}

template <class Args>
void gate_statistics(const Args& a) {
  const int64_t channels = a.original.shape.c;
  parallel_for(a.groups.count * channels, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) gate_statistics_channel(a, i / channels, i % channels);
  });
}

}  // namespace nad::reference
