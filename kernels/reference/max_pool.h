// Max pooling: y = gate * (relu)(max over the window), argmax = kh*KW + kw of the first maximum; padding never wins.
// To the data: dx[ih, iw] (+)= sum of dz over the windows whose maximum is this pixel.
#pragma once

#include <limits>

#include "kernels/reference/common.h"
#include "kernels/reference/window.h"

namespace nad::reference {

template <class Args>
void max_pool(const Args& a) {
  const Shape& s = a.y.shape;
  for (int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
    const Window window(a.params, a.x.shape, s, pixel);
    for (int64_t c = 0; c < s.c; ++c) {
      double best = -std::numeric_limits<double>::infinity();
      int64_t position = -1;
      window.visit([&](int64_t from, int64_t k) {
        const double value = static_cast<double>(a.x.pixel(from)[c]);
        if (position >= 0 && !(value > best) && !std::isnan(value)) return;
        best = value;
        position = k;
      });
      if (a.argmax) a.argmax[pixel * s.c + c] = static_cast<uint8_t>(position);
      finish(a.epilogue, a.y, pixel, c, best);
    }
  }
}

template <class Args>
void max_pool_backward(const Args& a) {
  const Shape &xs = a.dx.shape, &ys = a.dz.shape;
  for (int64_t pixel = 0; pixel < xs.pixels(); ++pixel) {
    for (int64_t c = 0; c < xs.c; ++c) {
      double sum = 0;
      visit_windows(a.params, xs, ys, pixel, [&](int64_t from, int64_t k) {
        if (a.argmax[from * ys.c + c] == k) sum += static_cast<double>(a.dz.pixel(from)[c]);
      });
      put(a.dx.pixel(pixel)[c], sum, a.mode);
    }
  }
}

}  // namespace nad::reference
