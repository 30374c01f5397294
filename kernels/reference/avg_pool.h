// Average pooling: y = gate * (relu)(sum over the window / divisor); the divisor
// is KH*KW, or the pixels of the window inside the image where padding is not
// counted. To the data: dx (+)= sum of dz / divisor over the windows of a pixel.
#pragma once

#include "kernels/reference/common.h"
#include "kernels/reference/window.h"

namespace nad::reference {

template <class Args>
void avg_pool(const Args& a) {
  const Shape& s = a.y.shape;
  for (int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
    const Window window(a.params, a.x.shape, s, pixel);
    for (int64_t c = 0; c < s.c; ++c) {
      double sum = 0;
      window.visit([&](int64_t from, int64_t) { sum += static_cast<double>(a.x.pixel(from)[c]); });
      finish(a.epilogue, a.y, pixel, c, sum / static_cast<double>(window.divisor()));
    }
  }
}

template <class Args>
void avg_pool_backward(const Args& a) {
  const Shape &xs = a.dx.shape, &ys = a.dz.shape;
  for (int64_t pixel = 0; pixel < xs.pixels(); ++pixel) {
    for (int64_t c = 0; c < xs.c; ++c) {
      double sum = 0;
      visit_windows(a.params, xs, ys, pixel, [&](int64_t from, int64_t) {
        sum +=
            static_cast<double>(a.dz.pixel(from)[c]) / static_cast<double>(Window(a.params, xs, ys, from).divisor());
      });
      put(a.dx.pixel(pixel)[c], sum, a.mode);
    }
  }
}

}  // namespace nad::reference
