// Loops of avg_pool.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// Rows [begin, end) of the N*OH output rows.
static void avg_pool_rows(const AvgPoolLoop& loop, int64_t begin, int64_t end) {
  const AvgPoolLoop p = loop;  // a copy that no store can change: its fields stay in registers
  const Shape in = p.x_shape;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.y_shape.h, oh = item % p.y_shape.h;
    const Range rows = avg_pool_window(oh, p.params.kernel_h, p.params.stride_h, p.params.pad_h, in.h);
    const float* gate = p.epilogue.gate_of(n);
    for (int64_t ow = 0; ow < p.y_shape.w; ++ow) {
      const Range columns = avg_pool_window(ow, p.params.kernel_w, p.params.stride_w, p.params.pad_w, in.w);
      const float* corner = p.x + ((n * in.h + rows.begin) * in.w + columns.begin) * p.x_stride;
      const int64_t height = rows.end - rows.begin, width = columns.end - columns.begin;
      const float factor = avg_pool_factor(p.params, in, oh, ow);
      float* y = p.y + (item * p.y_shape.w + ow) * p.y_stride;
      for_channels(p.y_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F sum = L::set(0.f);
        const float* row = corner + c;
        for (int64_t h = 0; h < height; ++h, row += in.w * p.x_stride) {
          const float* x = row;
          for (int64_t w = 0; w < width; ++w, x += p.x_stride) sum += L::load(x);
        }
        L::store(y + c, apply_epilogue(lanes, p.epilogue, nullptr, gate, c, sum * factor));
      });
    }
  }
}

// Rows [begin, end) of the N*H rows of dx: each pixel gathers from the windows it lies in.
static void avg_pool_backward_rows(const AvgPoolBackwardLoop& loop, int64_t begin, int64_t end) {
  const AvgPoolBackwardLoop p = loop;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.dx_shape.h, h = item % p.dx_shape.h;
    const Range rows = p.rows[h];
    for (int64_t column = 0; column < p.dx_shape.w; ++column) {
      const Range columns = p.columns[column];
      float* dx = p.dx + (item * p.dx_shape.w + column) * p.dx_stride;
      // Windows outside, channels inside: dx stays in the first-level cache meanwhile.
      bool add = p.add;
      if (!add && (rows.begin == rows.end || columns.begin == columns.end)) std::fill_n(dx, p.dx_shape.c, 0.f);
      for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
        for (int64_t ow = columns.begin; ow < columns.end; ++ow) {
          const float* dz = p.dz + ((n * p.dz_shape.h + oh) * p.dz_shape.w + ow) * p.dz_stride;
          const float factor = avg_pool_factor(p.params, p.dx_shape, oh, ow);
          for_channels(p.dx_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
            using L = decltype(lanes);
            const typename L::F v = L::load(dz + c) * factor;
            L::store(dx + c, add ? L::load(dx + c) + v : v);
          });
          add = true;
        }
      }
    }
  }
}
