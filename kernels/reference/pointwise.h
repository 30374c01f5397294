// Pointwise: y = epilogue(x). To the data: dx (+)= scale * dz.
#pragma once

#include "kernels/reference/common.h"

namespace nad::reference {

template <class Args>
void pointwise(const Args& a) {
  const Shape& s = a.x.shape;
  for (int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
    for (int64_t c = 0; c < s.c; ++c) finish(a.epilogue, a.y, pixel, c, static_cast<double>(a.x.pixel(pixel)[c]));
  }
}

template <class Args>
void pointwise_backward(const Args& a) {
  const Shape& s = a.dz.shape;
  for (int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
    for (int64_t c = 0; c < s.c; ++c) {
      put(a.dx.pixel(pixel)[c], at(a.scale, c, 1) * static_cast<double>(a.dz.pixel(pixel)[c]), a.mode);
    }
  }
}

}  // namespace nad::reference
