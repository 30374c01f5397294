// Loops of avg_pool.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// Rows [begin, end) of the N*OH output rows.
static void avg_pool_rows(const AvgPoolLoop& p, int64_t begin, int64_t end) {
  const PoolParams& w = p.params;
  const Shape& in = p.x_shape;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.y_shape.h, oh = item % p.y_shape.h;
    const int64_t h0 = oh * w.stride_h - w.pad_h;
    const int64_t h_begin = std::max<int64_t>(0, h0), h_end = std::min(in.h, h0 + w.kernel_h);
    const float* gate = p.epilogue.gate ? p.epilogue.gate + p.epilogue.row[n] * p.y_shape.c : nullptr;
    for (int64_t ow = 0; ow < p.y_shape.w; ++ow) {
      const int64_t w0 = ow * w.stride_w - w.pad_w;
      const int64_t w_begin = std::max<int64_t>(0, w0), w_end = std::min(in.w, w0 + w.kernel_w);
      const float factor = avg_pool_factor(w, in, oh, ow);
      float* y = p.y + (item * p.y_shape.w + ow) * p.y_stride;
      for_channels(p.y_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F sum = L::set(0.f);
        for (int64_t h = h_begin; h < h_end; ++h) {
          for (int64_t column = w_begin; column < w_end; ++column) {
            sum += L::load(p.x + ((n * in.h + h) * in.w + column) * p.x_stride + c);
          }
        }
        L::store(y + c, apply_epilogue(lanes, p.epilogue, nullptr, gate, c, sum * factor));
      });
    }
  }
}

// Rows [begin, end) of the N*H rows of dx: each pixel gathers from the windows it lies in.
static void avg_pool_backward_rows(const AvgPoolBackwardLoop& p, int64_t begin, int64_t end) {
  const PoolParams& w = p.params;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.dx_shape.h, h = item % p.dx_shape.h;
    const int64_t oh_begin = first_window(h, w.kernel_h, w.stride_h, w.pad_h);
    const int64_t oh_end = std::min(p.dz_shape.h, (h + w.pad_h) / w.stride_h + 1);
    for (int64_t column = 0; column < p.dx_shape.w; ++column) {
      const int64_t ow_begin = first_window(column, w.kernel_w, w.stride_w, w.pad_w);
      const int64_t ow_end = std::min(p.dz_shape.w, (column + w.pad_w) / w.stride_w + 1);
      float* dx = p.dx + (item * p.dx_shape.w + column) * p.dx_stride;
      for_channels(p.dx_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F sum = p.add ? L::load(dx + c) : L::set(0.f);
        for (int64_t oh = oh_begin; oh < oh_end; ++oh) {
          for (int64_t ow = ow_begin; ow < ow_end; ++ow) {
            const float* dz = p.dz + ((n * p.dz_shape.h + oh) * p.dz_shape.w + ow) * p.dz_stride;
            sum += L::load(dz + c) * avg_pool_factor(w, p.dx_shape, oh, ow);
          }
        }
        L::store(dx + c, sum);
      });
    }
  }
}
