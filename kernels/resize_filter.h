// The antialiased triangle filter of Pillow's Image.resize(BILINEAR) for 8-bit pixels
// (src/libImaging/Resample.c), one axis at a time: output i = sum over j < count of weight[j]
// * input[first + j], with 22-bit fixed-point weights, and half a unit added before the
// shift. Shared by nad/images/resize.h and the op `augment` of every backend: equal bytes.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/host_device.h"

namespace nad {

constexpr int kResizeBits = 32 - 8 - 2;
constexpr int32_t kResizeHalf = 1 << (kResizeBits - 1);

struct ResizeSpan {
  int first = 0, count = 0;  // of input pixels
};

// The most input pixels of one output.
NAD_HOST_DEVICE inline int resize_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  return static_cast<int>(ceil(scale > 1.0 ? scale : 1.0)) * 2 + 1;
}

// Not fused with the sum that follows: one rounded weight would differ.
NAD_HOST_DEVICE inline double resize_product(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}

// The weights of output i of an axis that goes from `in` to `out` pixels: store(j, weight) for j < count. Every
// operation in Pillow's order, so that the rounded weights are equal.
template <class Store>
NAD_HOST_DEVICE inline ResizeSpan resize_filter(int in, int out, int i, Store&& store) {
  const double scale = static_cast<double>(in) / out, support = scale > 1.0 ? scale : 1.0, inverse = 1.0 / support;
  const double center = resize_product(i + 0.5, scale);
  const int low = static_cast<int>(center - support + 0.5), high = static_cast<int>(center + support + 0.5);
  const int first = low > 0 ? low : 0, count = (high < in ? high : in) - first;
  const auto triangle = [&](int j) {
    const double height = 1.0 - fabs(resize_product(j + first - center + 0.5, inverse));
    return height > 0.0 ? height : 0.0;
  };
  double sum = 0;
  for (int j = 0; j < count; ++j) sum += triangle(j);
  for (int j = 0; j < count; ++j) {
    const double share = sum != 0 ? triangle(j) / sum : triangle(j);
    store(j, static_cast<int32_t>(0.5 + resize_product(share, 1 << kResizeBits)));
  }
  return {first, count};
}

}  // namespace nad
