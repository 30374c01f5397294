// Loops of max_pool.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// Rows [begin, end) of the N*OH output rows.
static void max_pool_rows(const MaxPoolLoop& p, int64_t begin, int64_t end) {
  const PoolParams& w = p.params;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.y_shape.h, oh = item % p.y_shape.h;
    const int64_t h0 = oh * w.stride_h - w.pad_h;
    const int64_t kh_begin = std::max<int64_t>(0, -h0), kh_end = std::min(w.kernel_h, p.x_shape.h - h0);
    const float* gate = p.epilogue.gate ? p.epilogue.gate + p.epilogue.row[n] * p.y_shape.c : nullptr;
    for (int64_t ow = 0; ow < p.y_shape.w; ++ow) {
      const int64_t w0 = ow * w.stride_w - w.pad_w;
      const int64_t kw_begin = std::max<int64_t>(0, -w0), kw_end = std::min(w.kernel_w, p.x_shape.w - w0);
      const float* corner = p.x + ((n * p.x_shape.h + h0) * p.x_shape.w + w0) * p.x_stride;
      const int64_t pixel = item * p.y_shape.w + ow;
      float* y = p.y + pixel * p.y_stride;
      uint8_t* argmax = p.argmax ? p.argmax + pixel * p.y_shape.c : nullptr;
      for_channels(p.y_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F best = L::load(corner + (kh_begin * p.x_shape.w + kw_begin) * p.x_stride + c);
        typename L::I index = L::set_int(static_cast<int32_t>(kh_begin * w.kernel_w + kw_begin));
        for (int64_t kh = kh_begin; kh < kh_end; ++kh) {
          for (int64_t kw = kw_begin; kw < kw_end; ++kw) {
            const typename L::F v = L::load(corner + (kh * p.x_shape.w + kw) * p.x_stride + c);
            const typename L::I larger = L::greater(v, best);
            best = L::select(larger, v, best);
            index = L::select_int(larger, L::set_int(static_cast<int32_t>(kh * w.kernel_w + kw)), index);
          }
        }
        L::store(y + c, apply_epilogue(lanes, p.epilogue, nullptr, gate, c, best));
        if (argmax) L::store_bytes(argmax + c, index);
      });
    }
  }
}

// Rows [begin, end) of the N*H rows of dx: each pixel gathers from the windows it lies in.
static void max_pool_backward_rows(const MaxPoolBackwardLoop& p, int64_t begin, int64_t end) {
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
          const int64_t kh = h + w.pad_h - oh * w.stride_h;
          for (int64_t ow = ow_begin; ow < ow_end; ++ow) {
            const int64_t kw = column + w.pad_w - ow * w.stride_w;
            const int64_t pixel = (n * p.dz_shape.h + oh) * p.dz_shape.w + ow;
            const typename L::I chosen = L::equal_int(L::load_bytes(p.argmax + pixel * p.dx_shape.c + c),
                                                      L::set_int(static_cast<int32_t>(kh * w.kernel_w + kw)));
            sum += L::select(chosen, L::load(p.dz + pixel * p.dz_stride + c), L::set(0.f));
          }
        }
        L::store(dx + c, sum);
      });
    }
  }
}
