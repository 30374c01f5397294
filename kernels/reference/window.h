// Pooling windows, from both sides: the inputs of an output pixel and the outputs an input pixel takes part in.
// Pixels are indices (n*H + h)*W + w; k = kh*KW + kw.
#pragma once

#include <algorithm>

#include "engine/ops.h"

namespace nad::reference {

// The part of an output pixel's window that lies inside the image.
class Window {
 public:
  Window(const PoolParams& p, const Shape& x, const Shape& y, int64_t pixel) : params_(p), x_(x) {
    n_ = pixel / (y.h * y.w);
    top_ = pixel / y.w % y.h * p.stride_h - p.pad_h;
    left_ = pixel % y.w * p.stride_w - p.pad_w;
  }
  // body(input pixel, k), row by row.
  template <class Body>
  void visit(Body&& body) const {
    for (int64_t kh = 0; kh < params_.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < params_.kernel_w; ++kw) {
        const int64_t ih = top_ + kh, iw = left_ + kw;
        if (ih < 0 || iw < 0 || ih >= x_.h || iw >= x_.w) continue;
        body((n_ * x_.h + ih) * x_.w + iw, kh * params_.kernel_w + kw);
      }
    }
  }
  // What average pooling divides by.
  int64_t divisor() const {
    if (params_.count_include_pad) return params_.kernel_h * params_.kernel_w;
    const int64_t rows = std::min(top_ + params_.kernel_h, x_.h) - std::max<int64_t>(top_, 0);
    const int64_t columns = std::min(left_ + params_.kernel_w, x_.w) - std::max<int64_t>(left_, 0);
    return rows * columns;
  }

 private:
  PoolParams params_;
  Shape x_;
  int64_t n_, top_, left_;
};

// body(output pixel, k) for every window that holds the input pixel.
template <class Body>
void visit_windows(const PoolParams& p, const Shape& x, const Shape& y, int64_t pixel, Body&& body) {
  const int64_t n = pixel / (x.h * x.w), ih = pixel / x.w % x.h, iw = pixel % x.w;
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      const int64_t top = ih + p.pad_h - kh, left = iw + p.pad_w - kw;
      if (top < 0 || left < 0 || top % p.stride_h || left % p.stride_w) continue;
      const int64_t oh = top / p.stride_h, ow = left / p.stride_w;
      if (oh < y.h && ow < y.w) body((n * y.h + oh) * y.w + ow, kh * p.kernel_w + kw);
    }
  }
}

}  // namespace nad::reference
