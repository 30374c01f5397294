// Gate: y[r*N + n] = g * x[n], then max(., 0) where relu is set, for r < repeat. g = table[row[r*N + n], c].
#pragma once

#include "kernels/reference/common.h"

namespace nad::reference {

template <class Args>
void gate(const Args& a) {
  const Shape& s = a.x.shape;
  for (int64_t pixel = 0; pixel < a.y.shape.pixels(); ++pixel) {
    const int64_t n = pixel / (s.h * s.w);
    const auto* x = a.x.pixel(pixel % s.pixels());
    auto* y = a.y.pixel(pixel);
    for (int64_t c = 0; c < s.c; ++c) {
      const double value = gate_value(a.gate, n, c) * static_cast<double>(x[c]);
      y[c] = static_cast<Element<decltype(a.y)>>(a.relu ? relu(value) : value);
    }
  }
}

}  // namespace nad::reference
