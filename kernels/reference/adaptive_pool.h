// Adaptive average pooling: y[oh, ow] = gate * (relu)(mean of rows floor(oh*H/OH) .. ceil((oh+1)*H/OH) - 1, columns
// alike). To the data: dx (+)= sum over the windows that hold the pixel of dz / (pixels of the window).
#pragma once

#include "kernels/reference/common.h"

namespace nad::reference {

// Rows [begin, end) that output row `o` of `out` averages.
struct AdaptiveSpan {
  int64_t begin, end;
  AdaptiveSpan(int64_t o, int64_t in, int64_t out) : begin(o * in / out), end(((o + 1) * in + out - 1) / out) {}
  int64_t size() const { return end - begin; }
  bool holds(int64_t i) const { return begin <= i && i < end; }
};

template <class Args>
void adaptive_pool(const Args& a) {
  const Shape &xs = a.x.shape, &s = a.y.shape;
  for (int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
    const AdaptiveSpan rows(pixel / s.w % s.h, xs.h, s.h), columns(pixel % s.w, xs.w, s.w);
    for (int64_t c = 0; c < s.c; ++c) {
      double sum = 0;
      for (int64_t ih = rows.begin; ih < rows.end; ++ih) {
        for (int64_t iw = columns.begin; iw < columns.end; ++iw) {
          sum += static_cast<double>(a.x.at(pixel / (s.h * s.w), ih, iw)[c]);
        }
      }
      finish(a.epilogue, a.y, pixel, c, sum / static_cast<double>(rows.size() * columns.size()));
    }
  }
}

template <class Args>
double adaptive_pool_gradient(const Args& a, int64_t n, int64_t ih, int64_t iw, int64_t c) {
  const Shape &xs = a.dx.shape, &ys = a.dz.shape;
  double sum = 0;
  for (int64_t oh = 0; oh < ys.h; ++oh) {
    const AdaptiveSpan rows(oh, xs.h, ys.h);
    for (int64_t ow = 0; rows.holds(ih) && ow < ys.w; ++ow) {
      const AdaptiveSpan columns(ow, xs.w, ys.w);
      if (!columns.holds(iw)) continue;
      sum += static_cast<double>(a.dz.at(n, oh, ow)[c]) / static_cast<double>(rows.size() * columns.size());
    }
  }
  return sum;
}

template <class Args>
void adaptive_pool_backward(const Args& a) {
  const Shape& s = a.dx.shape;
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t ih = 0; ih < s.h; ++ih) {
      for (int64_t iw = 0; iw < s.w; ++iw) {
        for (int64_t c = 0; c < s.c; ++c) put(a.dx.at(n, ih, iw)[c], adaptive_pool_gradient(a, n, ih, iw, c), a.mode);
      }
    }
  }
}

}  // namespace nad::reference
