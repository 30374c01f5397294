// The antialiased filters of Pillow's Image.resize(BILINEAR) and (BICUBIC) for 8-bit pixels
// (src/libImaging/Resample.c), one axis at a time: output i = sum over j < count of weight[j]
// * input[first + j], with 22-bit fixed-point weights, half a unit added before the shift, and
// the result clipped to a byte (bicubic weights may be negative). Shared by nad/images/resize.h
// and the op `augment` of every backend: equal bytes.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/host_device.h"

namespace nad {

constexpr int kResizeBits = 32 - 8 - 2;
constexpr int32_t kResizeHalf = 1 << (kResizeBits - 1);

enum class Interpolation : uint8_t { bilinear, bicubic };

// What a filter reaches to either side of its centre, in input pixels of an enlargement.
NAD_HOST_DEVICE inline double resize_reach(Interpolation kind) { return kind == Interpolation::bicubic ? 2.0 : 1.0; }

struct ResizeSpan {
  int first = 0, count = 0;  // of input pixels
};

// The most input pixels of one output.
NAD_HOST_DEVICE inline int resize_taps(Interpolation kind, int in, int out) {
  const double scale = static_cast<double>(in) / out;
  return static_cast<int>(ceil(resize_reach(kind) * (scale > 1.0 ? scale : 1.0))) * 2 + 1;
}

// The byte of a sum of weighted pixels.
NAD_HOST_DEVICE inline int resize_byte(int32_t sum) {
  const int value = sum >> kResizeBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

// Not fused with the sum that follows: one rounded weight would differ.
NAD_HOST_DEVICE inline double resize_product(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}

// The height of the filter x pixels from its centre: a triangle, or the cubic with a = -1/2 (Keys 1981).
NAD_HOST_DEVICE inline double resize_height(Interpolation kind, double x) {
  const double a = -0.5, d = fabs(x);
  if (kind == Interpolation::bilinear) return d < 1.0 ? 1.0 - d : 0.0;
  if (d < 1.0) return resize_product(resize_product(resize_product(a + 2.0, d) - (a + 3.0), d), d) + 1;
  if (d < 2.0) return resize_product(resize_product(resize_product(d - 5, d) + 8, d) - 4, a);
  return 0.0;
}

// The weights of output i of an axis that goes from `in` to `out` pixels: store(j, weight) for j < count. Every
// operation in Pillow's order, so that the rounded weights are equal.
template <class Store>
NAD_HOST_DEVICE inline ResizeSpan resize_filter(Interpolation kind, int in, int out, int i, Store&& store) {
  const double scale = static_cast<double>(in) / out, stretch = scale > 1.0 ? scale : 1.0;
  const double support = resize_reach(kind) * stretch, inverse = 1.0 / stretch;
  const double center = resize_product(i + 0.5, scale);
  const int low = static_cast<int>(center - support + 0.5), high = static_cast<int>(center + support + 0.5);
  const int first = low > 0 ? low : 0, count = (high < in ? high : in) - first;
  const auto height = [&](int j) { return resize_height(kind, resize_product(j + first - center + 0.5, inverse)); };
  double sum = 0;
  for (int j = 0; j < count; ++j) sum += height(j);
  for (int j = 0; j < count; ++j) {
    const double share = sum != 0 ? height(j) / sum : height(j);
    const double half = share < 0 ? -0.5 : 0.5;
    store(j, static_cast<int32_t>(half + resize_product(share, 1 << kResizeBits)));
  }
  return {first, count};
}

}  // namespace nad
