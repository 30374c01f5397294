// What the rungs on a GPU share: the case as a kernel takes it. Pixels of all samples are numbered in one row.
#pragma once

#include <limits>

#include "bench/ladder/ladder.h"
#include "engine/error.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/convolution.h"
#include "kernels/cuda/convolution_finish.h"

namespace nad::ladder {

struct CudaCase {
  cuda::Global<const float> x;  // [pixels, channels], x_stride floats from one pixel to the next
  cuda::Global<float> y;        // [pixels, outputs], y_stride floats from one pixel to the next
  int64_t x_stride, y_stride;   // floats
  int pixels, h, w;             // pixels: of all samples of h * w
  int channels, outputs;        // of a pixel of x and of y
};

// Throws Error(usage) for a case that the rungs do not take.
inline CudaCase cuda_case(const Conv2dArgs& a) {
  check_case(a);
  const Shape& s = a.y.shape;
  if (s.pixels() > std::numeric_limits<int>::max() / 2) {
    throw Error(ErrorKind::usage,
                "the ladder's kernels count pixels in 32 bits: " + std::to_string(s.pixels()) + " are too many",
                "use a smaller batch");
  }
  return {cuda::global(a.x),
          cuda::global(a.y),
          a.x.stride,
          a.y.stride,
          static_cast<int>(s.pixels()),
          static_cast<int>(s.h),
          static_cast<int>(s.w),
          static_cast<int>(a.x.shape.c),
          static_cast<int>(s.c)};
}

// Where in x the channels begin that tap (kh, kw) brings to output pixel p: -1 outside of x, and beyond the last pixel.
__device__ inline int64_t tap_start(const CudaCase& c, int p, int kh, int kw) {
  const int h = p / c.w % c.h + kh - 1, w = p % c.w + kw - 1;
  if (p >= c.pixels || h < 0 || h >= c.h || w < 0 || w >= c.w) return -1;
  return (int64_t{p} + (kh - 1) * c.w + kw - 1) * c.x_stride;
}

// Weights in the device's memory.
template <class T>
struct DeviceWeights {
  Buffer buffer;
  int64_t count;
  cuda::Global<const T> view() const { return {reinterpret_cast<const T*>(buffer.get()), count}; }
};
template <class T>
DeviceWeights<T> to_device(Planner& planner, const std::vector<T>& values) {
  return {planner.upload_weights(values.data(), values.size() * sizeof(T)), static_cast<int64_t>(values.size())};
}

}  // namespace nad::ladder
