// From the gradient at y = gate * (relu ? max(z, 0) : z) back to z and to the gate, with the loss tap on y:
//   t  = dy + 2 * tap_scale * tap_weight[n] * (y - tap_target)
//   dz = gate * t * (relu ? y != 0 : 1)
//   dgate[row, c] = sum over the row's samples and pixels of t * y / gate      (0 where gate = 0)
//   tap_sum[n] = sum over pixels and channels of (y - tap_target)^2
// The rows of dgate are sums in double, one channel at a time; samples of one row are adjacent.
#pragma once

#include "kernels/reference/common.h"

namespace nad::reference {

// y minus the tap's target at one element; 0 without a tap.
template <class Args>
double tap_difference(const Args& a, int64_t pixel, int64_t c) {
  if (!a.tap_target) return 0;
  return static_cast<double>(a.y.pixel(pixel)[c]) - static_cast<double>(a.tap_target.pixel(pixel)[c]);
}

template <class Args>
double tapped_gradient(const Args& a, int64_t n, int64_t pixel, int64_t c) {
  double t = static_cast<double>(a.dy.pixel(pixel)[c]);
  if (a.tap_target) t += 2.0 * a.tap_scale * static_cast<double>(a.tap_weight[n]) * tap_difference(a, pixel, c);
  return t;
}

template <class Args>
void epilogue_backward_gate(const Args& a, int64_t c) {
  const int64_t samples = a.y.shape.n, plane = a.y.shape.h * a.y.shape.w;
  double sum = 0;
  for (int64_t n = 0; n < samples; ++n) {
    const double g = gate_value(a.gate, n, c);
    for (int64_t pixel = n * plane; pixel < (n + 1) * plane && g != 0; ++pixel) {
      sum += tapped_gradient(a, n, pixel, c) * static_cast<double>(a.y.pixel(pixel)[c]) / g;
    }
    if (n + 1 < samples && a.gate.row[n + 1] == a.gate.row[n]) continue;
    put(a.dgate[a.gate.row[n] * a.gate.stride + c], sum, Accumulate::overwrite);
    sum = 0;
  }
}

template <class Args>
void epilogue_backward(const Args& a) {
  const int64_t samples = a.y.shape.n, plane = a.y.shape.h * a.y.shape.w, channels = a.y.shape.c;
  for (int64_t c = 0; a.gate && c < channels; ++c) epilogue_backward_gate(a, c);
  for (int64_t n = 0; n < samples; ++n) {
    double square = 0;
    for (int64_t pixel = n * plane; pixel < (n + 1) * plane; ++pixel) {
      for (int64_t c = 0; c < channels; ++c) {
        const double difference = tap_difference(a, pixel, c);
        square += difference * difference;
        if (!a.dz) continue;
        const bool pass = !a.relu || a.y.pixel(pixel)[c] != 0;
        const double t = tapped_gradient(a, n, pixel, c);
        put(a.dz.pixel(pixel)[c], pass ? gate_value(a.gate, n, c) * t : 0, Accumulate::overwrite);
      }
    }
    if (a.tap_target && a.tap_sum) a.tap_sum[n] = square;
  }
}

}  // namespace nad::reference
