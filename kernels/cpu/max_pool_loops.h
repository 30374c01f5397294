// Loops of max_pool.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// The pixels of one window that lie in the plane, in reading order.
struct MaxPoolTaps {
  int64_t count = 0;
  const float* pixel[kLargestWindow];
  int32_t index[kLargestWindow];  // kh*KW + kw
};

static NAD_INLINE void find_taps(const MaxPoolLoop& p, int64_t n, int64_t oh, int64_t ow, MaxPoolTaps& taps) {
  const PoolParams& w = p.params;
  const int64_t h0 = oh * w.stride_h - w.pad_h, w0 = ow * w.stride_w - w.pad_w;
  taps.count = 0;
  for (int64_t kh = std::max<int64_t>(0, -h0); kh < std::min(w.kernel_h, p.x_shape.h - h0); ++kh) {
    const float* row = p.x + (n * p.x_shape.h + h0 + kh) * p.x_shape.w * p.x_stride;
    for (int64_t kw = std::max<int64_t>(0, -w0); kw < std::min(w.kernel_w, p.x_shape.w - w0); ++kw) {
      taps.pixel[taps.count] = row + (w0 + kw) * p.x_stride;
      taps.index[taps.count++] = static_cast<int32_t>(kh * w.kernel_w + kw);
    }
  }
}

// Rows [begin, end) of the N*OH output rows.
static void max_pool_rows(const MaxPoolLoop& loop, int64_t begin, int64_t end) {
  const MaxPoolLoop p = loop;  // a copy that no store can change: its fields stay in registers
  MaxPoolTaps taps;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.y_shape.h, oh = item % p.y_shape.h;
    const float* gate = p.epilogue.gate_of(n);
    for (int64_t ow = 0; ow < p.y_shape.w; ++ow) {
      find_taps(p, n, oh, ow, taps);
      const int64_t pixel = item * p.y_shape.w + ow;
      float* y = p.y + pixel * p.y_stride;
      uint8_t* argmax = p.argmax ? p.argmax + pixel * p.y_shape.c : nullptr;
      for_channels(p.y_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F best = L::load(taps.pixel[0] + c);
        typename L::I index = L::set_int(taps.index[0]);
        for (int64_t t = 1; t < taps.count; ++t) {
          const typename L::F v = L::load(taps.pixel[t] + c);
          const typename L::I larger = L::greater(v, best);
          best = L::select(larger, v, best);
          index = L::select_int(larger, L::set_int(taps.index[t]), index);
        }
        L::store(y + c, apply_epilogue(lanes, p.epilogue, nullptr, gate, c, best));
        if (argmax) L::store_bytes(argmax + c, index);
      });
    }
  }
}

// The windows that one pixel of dx lies in.
struct MaxPoolWindows {
  int64_t count = 0;
  const float* dz[kLargestWindow];
  const uint8_t* argmax[kLargestWindow];
  int32_t index[kLargestWindow];  // the pixel's place in the window
};

static NAD_INLINE void find_windows(const MaxPoolBackwardLoop& p, int64_t n, int64_t h, int64_t column,
                                    MaxPoolWindows& windows) {
  const PoolParams& w = p.params;
  const Range rows = p.rows[h], columns = p.columns[column];
  windows.count = 0;
  for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
    const int64_t kh = h + w.pad_h - oh * w.stride_h;
    for (int64_t ow = columns.begin; ow < columns.end; ++ow) {
      const int64_t kw = column + w.pad_w - ow * w.stride_w;
      const int64_t pixel = (n * p.dz_shape.h + oh) * p.dz_shape.w + ow, i = windows.count++;
      windows.dz[i] = p.dz + pixel * p.dz_stride;
      windows.argmax[i] = p.argmax + pixel * p.dx_shape.c;
      windows.index[i] = static_cast<int32_t>(kh * w.kernel_w + kw);
    }
  }
}

// Rows [begin, end) of the N*H rows of dx: each pixel gathers from the windows it lies in.
static void max_pool_backward_rows(const MaxPoolBackwardLoop& loop, int64_t begin, int64_t end) {
  const MaxPoolBackwardLoop p = loop;
  MaxPoolWindows windows;
  for (int64_t item = begin; item < end; ++item) {
    for (int64_t column = 0; column < p.dx_shape.w; ++column) {
      find_windows(p, item / p.dx_shape.h, item % p.dx_shape.h, column, windows);
      float* dx = p.dx + (item * p.dx_shape.w + column) * p.dx_stride;
      for_channels(p.dx_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F sum = p.add ? L::load(dx + c) : L::set(0.f);
        for (int64_t i = 0; i < windows.count; ++i) {
          const typename L::I chosen =
              L::equal_int(L::load_bytes(windows.argmax[i] + c), L::set_int(windows.index[i]));
          sum += L::select(chosen, L::load(windows.dz[i] + c), L::set(0.f));
        }
        L::store(dx + c, sum);
      });
    }
  }
}
