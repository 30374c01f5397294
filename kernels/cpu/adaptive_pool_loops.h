// Loops of adaptive_pool.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// The mean over one window. Sums run along a row first, then over rows, so that rounding
// grows with H + W, not with H * W.
static void adaptive_pool_window(const AdaptivePoolLoop& p, int64_t n, int64_t oh, int64_t ow) {
  const Shape &in = p.x_shape, &out = p.y_shape;
  const Range rows = adaptive_window(oh, out.h, in.h), columns = adaptive_window(ow, out.w, in.w);
  const float count = static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
  const float* gate = p.epilogue.gate_of(n);
  float* y = p.y + ((n * out.h + oh) * out.w + ow) * p.y_stride;
  for_channels(out.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
    using L = decltype(lanes);
    typename L::F sum = L::set(0.f);
    for (int64_t h = rows.begin; h < rows.end; ++h) {
      typename L::F row_sum = L::set(0.f);
      for (int64_t w = columns.begin; w < columns.end; ++w) {
        row_sum += L::load(p.x + ((n * in.h + h) * in.w + w) * p.x_stride + c);
      }
      sum += row_sum;
    }
    L::store(y + c, apply_epilogue(lanes, p.epilogue, nullptr, gate, c, sum / count));
  });
}

// Rows [begin, end) of the N*H rows of dx: each pixel gathers from the windows it lies in.
static void adaptive_pool_backward_rows(const AdaptivePoolBackwardLoop& p, int64_t begin, int64_t end) {
  const Shape &in = p.dx_shape, &out = p.dz_shape;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / in.h, h = item % in.h;
    const Range rows = adaptive_windows_of(h, out.h, in.h);
    for (int64_t w = 0; w < in.w; ++w) {
      const Range columns = adaptive_windows_of(w, out.w, in.w);
      float* dx = p.dx + (item * in.w + w) * p.dx_stride;
      for_channels(in.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F sum = p.add ? L::load(dx + c) : L::set(0.f);
        for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
          for (int64_t ow = columns.begin; ow < columns.end; ++ow) {
            const float* dz = p.dz + ((n * out.h + oh) * out.w + ow) * p.dz_stride;
            sum += L::load(dz + c) / adaptive_count(oh, ow, out, in);
          }
        }
        L::store(dx + c, sum);
      });
    }
  }
}
