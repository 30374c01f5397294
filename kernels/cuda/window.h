// Pooling windows in kernels: what max_pool.cu, avg_pool.cu and adaptive_pool.cu share.
//
// One thread per pixel (of y forward, of dx backward) and V channels; samples along the grid's y. Neighbouring
// threads have neighbouring channels, so every access of a warp is contiguous.
#pragma once

#include "kernels/cuda/arguments.h"

namespace nad::cuda {

// Two planes and their views; forward: x -> y, backward: y is dz and x is dx.
struct PoolView {
  int64_t samples, x_stride, y_stride;
  int height, width, out_height, out_width, channels;
  __host__ __device__ int64_t x_plane() const { return int64_t{height} * width; }
  __host__ __device__ int64_t y_plane() const { return int64_t{out_height} * out_width; }
};

inline PoolView pool_view(const CTensor& x, const CTensor& y) {
  return {x.shape.n,
          x.stride,
          y.stride,
          static_cast<int>(x.shape.h),
          static_cast<int>(x.shape.w),
          static_cast<int>(y.shape.h),
          static_cast<int>(y.shape.w),
          static_cast<int>(x.shape.c)};
}

struct DevicePool {
  int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  bool count_include_pad;
};

inline DevicePool device_pool(const PoolParams& p) {
  return {static_cast<int>(p.kernel_h), static_cast<int>(p.kernel_w), static_cast<int>(p.stride_h),
          static_cast<int>(p.stride_w), static_cast<int>(p.pad_h),    static_cast<int>(p.pad_w),
          p.count_include_pad};
}

// The part of an output pixel's window inside the image: rows [top, bottom), columns [left, right).
struct PoolWindow {
  int first_row, first_column;  // with padding
  int top, bottom, left, right;
  __device__ PoolWindow(const DevicePool& p, const PoolView& v, int oh, int ow) {
    first_row = oh * p.stride_h - p.pad_h;
    first_column = ow * p.stride_w - p.pad_w;
    top = max(first_row, 0);
    left = max(first_column, 0);
    bottom = min(first_row + p.kernel_h, v.height);
    right = min(first_column + p.kernel_w, v.width);
  }
  // What average pooling divides by.
  __device__ int divisor(const DevicePool& p) const {
    return p.count_include_pad ? p.kernel_h * p.kernel_w : (bottom - top) * (right - left);
  }
};

// The outputs first .. last along one axis whose windows hold input i.
struct OutputSpan {
  int first, last;
  __device__ OutputSpan(int first_output, int last_output) : first(first_output), last(last_output) {}
  __device__ OutputSpan(int i, int kernel, int stride, int pad, int extent) {
    const int start = i + pad - kernel + 1;  // the first window that reaches i begins here or later
    first = start <= 0 ? 0 : (start + stride - 1) / stride;
    last = min((i + pad) / stride, extent - 1);
  }
};

}  // namespace nad::cuda
