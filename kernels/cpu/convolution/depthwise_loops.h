// Loops of depthwise.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

template <class L>
static NAD_INLINE typename L::F load_input(L, const DepthwiseLoop& p, const float* x, int64_t c) {
  typename L::F v = L::load(x + c);
  if (p.prologue_scale) v = v * L::load(p.prologue_scale + c) + L::load(p.prologue_shift + c);
  if (p.prologue_relu) v = L::relu(v);
  return v;
}

// Stores one result: the epilogue forward, the prologue's derivative backward (see DepthwiseLoop).
template <class L>
static NAD_INLINE void store_output(L lanes, const DepthwiseLoop& p, int64_t n, int64_t pixel, int64_t c,
                                    typename L::F v) {
  float* y = p.y + pixel * p.y_stride + c;
  if (p.plain) return L::store(y, v);
  if (p.forward_x) {
    v = prologue_gradient(lanes, p.forward_scale, p.forward_shift, p.forward_relu,
                          p.forward_x + pixel * p.forward_stride, c, v);
  }
  const EpilogueLoop& e = p.epilogue;
  v = apply_epilogue(lanes, e, e.residual ? e.residual + pixel * e.residual_stride : nullptr, e.gate_of(n), c, v);
  if (p.add) v += L::load(y);
  L::store(y, v);
}

// What a block of kPixels outputs of a row reads, the same for all channels.
struct DepthwiseTaps {
  int64_t rows = 0;                                                  // of the kernel that lie in the plane
  const float* weight[kLargestKernel];                               // [KERNEL, C] of each
  const float* pixel[kLargestKernel][kPixels + 2 * kLargestKernel];  // of each, column by column; zeros outside
};

template <int KERNEL, int DILATION>
static NAD_INLINE void find_taps(const DepthwiseLoop& p, int64_t n, int64_t oh, int64_t ow, DepthwiseTaps& taps) {
  taps.rows = 0;
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    const int64_t h = oh - p.pad_h + kh * p.dilation_h;
    if (h < 0 || h >= p.x_shape.h) continue;
    const float* row = p.x + (n * p.x_shape.h + h) * p.x_shape.w * p.x_stride;
    const int64_t r = taps.rows++;
    taps.weight[r] = p.weight + kh * KERNEL * p.y_shape.c;
    for (int column = 0; column < kPixels + (KERNEL - 1) * DILATION; ++column) {
      const int64_t w = ow - p.pad_w + column;
      taps.pixel[r][column] = w >= 0 && w < p.x_shape.w ? row + w * p.x_stride : p.zeros;
    }
  }
}

// kPixels outputs of a row, stride 1, KERNEL taps along it: a column of
// x is loaded once and serves all taps, whose weights stay in registers.
template <int KERNEL, int DILATION, class L>
static NAD_INLINE void depthwise_block(L lanes, const DepthwiseLoop& p, const DepthwiseTaps& taps, int64_t n,
                                       int64_t oh, int64_t ow, int64_t c) {
  typename L::F sums[kPixels] = {};
  for (int64_t r = 0; r < taps.rows; ++r) {
    typename L::F weights[KERNEL];
#pragma GCC unroll 8
    for (int kw = 0; kw < KERNEL; ++kw) weights[kw] = L::load(taps.weight[r] + kw * p.y_shape.c + c);
#pragma GCC unroll 32
    for (int column = 0; column < kPixels + (KERNEL - 1) * DILATION; ++column) {
      typename L::F v = L::load(taps.pixel[r][column] + c);
      if (p.prologue_relu) v = L::relu(v);
#pragma GCC unroll 8
      for (int kw = 0; kw < KERNEL; ++kw) {
        const int i = column - kw * DILATION;
        if (i >= 0 && i < kPixels) sums[i] += v * weights[kw];
      }
    }
  }
  typename L::F results[kPixels];  // in memory: the loop below is long and need not be unrolled
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) results[i] = sums[i];
  const int64_t pixel = (n * p.y_shape.h + oh) * p.y_shape.w + ow;
  const int64_t last = std::min<int64_t>(kPixels, p.y_shape.w - ow);
#pragma GCC unroll 1
  for (int64_t i = 0; i < last; ++i) store_output(lanes, p, n, pixel + i, c, results[i]);
}

// One output pixel of any kernel and stride.
template <class L>
static NAD_INLINE void depthwise_pixel(L lanes, const DepthwiseLoop& p, int64_t n, int64_t oh, int64_t ow,
                                       int64_t c) {
  typename L::F sum = L::set(0.f);
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    const int64_t h = oh * p.stride_h - p.pad_h + kh * p.dilation_h;
    if (h < 0 || h >= p.x_shape.h) continue;
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      const int64_t w = ow * p.stride_w - p.pad_w + kw * p.dilation_w;
      if (w < 0 || w >= p.x_shape.w) continue;
      const float* x = p.x + ((n * p.x_shape.h + h) * p.x_shape.w + w) * p.x_stride;
      sum += load_input(lanes, p, x, c) * L::load(p.weight + (kh * p.kernel_w + kw) * p.y_shape.c + c);
    }
  }
  store_output(lanes, p, n, (n * p.y_shape.h + oh) * p.y_shape.w + ow, c, sum);
}

// One pixel of dx where the forward convolution has a stride: gathers from the outputs that read it. x is dz here.
template <class L>
static NAD_INLINE void depthwise_gather(L lanes, const DepthwiseLoop& p, int64_t n, int64_t h, int64_t w, int64_t c) {
  typename L::F sum = L::set(0.f);
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    const int64_t oh = h + p.pad_h - kh * p.dilation_h;
    if (oh < 0 || oh % p.stride_h != 0 || oh / p.stride_h >= p.x_shape.h) continue;
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      const int64_t ow = w + p.pad_w - kw * p.dilation_w;
      if (ow < 0 || ow % p.stride_w != 0 || ow / p.stride_w >= p.x_shape.w) continue;
      const int64_t pixel = (n * p.x_shape.h + oh / p.stride_h) * p.x_shape.w + ow / p.stride_w;
      sum += L::load(p.x + pixel * p.x_stride + c) * L::load(p.weight + (kh * p.kernel_w + kw) * p.y_shape.c + c);
    }
  }
  store_output(lanes, p, n, (n * p.y_shape.h + h) * p.y_shape.w + w, c, sum);
}

// Fetches kPixels of a row of all samples' rows into L2.
static NAD_INLINE void prefetch_pixels(const float* base, int64_t stride, const Shape& shape, int64_t row,
                                       int64_t column) {
  if (row >= shape.n * shape.h) return;
  const char* from = reinterpret_cast<const char*>(base + (row * shape.w + column) * stride);
  const char* to = from + std::min<int64_t>(kPixels, shape.w - column) * stride * 4;
  for (; from < to; from += 64) __builtin_prefetch(from, 0, 2);
}

// What outputs two rows further down read that nothing has read yet.
static NAD_INLINE void prefetch_rows(const DepthwiseLoop& p, int64_t n, int64_t oh, int64_t ow) {
  const int64_t below = (p.kernel_h - 1) * p.dilation_h - p.pad_h + 2;
  prefetch_pixels(p.x, p.x_stride, p.x_shape, n * p.x_shape.h + oh + below, ow);
  const int64_t next = n * p.y_shape.h + oh + 2;
  if (p.forward_x) prefetch_pixels(p.forward_x, p.forward_stride, p.y_shape, next, ow);
  if (p.add) prefetch_pixels(p.y, p.y_stride, p.y_shape, next, ow);
}

template <int KERNEL, int DILATION>
static NAD_INLINE void depthwise_row(const DepthwiseLoop& p, int64_t n, int64_t oh) {
  DepthwiseTaps taps;
  for (int64_t ow = 0; ow < p.y_shape.w; ow += kPixels) {
    find_taps<KERNEL, DILATION>(p, n, oh, ow, taps);
    prefetch_rows(p, n, oh, ow);
    for_channels(p.y_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      depthwise_block<KERNEL, DILATION>(lanes, p, taps, n, oh, ow, c);
    });
  }
}

static void depthwise_row_any(const DepthwiseLoop& p, int64_t n, int64_t oh) {
  for (int64_t ow = 0; ow < p.y_shape.w; ++ow) {
    for_channels(p.y_shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      if (p.gather) {
        depthwise_gather(lanes, p, n, oh, ow, c);
      } else {
        depthwise_pixel(lanes, p, n, oh, ow, c);
      }
    });
  }
}

// Rows [begin, end) of the N*OH output rows.
static void depthwise_rows(const DepthwiseLoop& loop, int64_t begin, int64_t end) {
  const DepthwiseLoop p = loop;  // a copy that no store can change: its fields stay in registers
  // Outside the plane an affine prologue would not give 0, so it takes the general way; no network has that.
  const bool fast = p.stride_h == 1 && p.stride_w == 1 && !p.gather && !p.prologue_scale &&
                    p.kernel_h <= kLargestKernel && p.dilation_w <= 2;
  const int64_t form = fast ? 10 * p.kernel_w + p.dilation_w : 0;  // 0: any
  for (int64_t item = begin; item < end; ++item) {
    const int64_t n = item / p.y_shape.h, oh = item % p.y_shape.h;
    switch (form) {
      case 31:
        depthwise_row<3, 1>(p, n, oh);
        break;
      case 51:
        depthwise_row<5, 1>(p, n, oh);
        break;
      case 71:
        depthwise_row<7, 1>(p, n, oh);
        break;
      case 32:
        depthwise_row<3, 2>(p, n, oh);
        break;
      case 52:
        depthwise_row<5, 2>(p, n, oh);
        break;
      default:
        depthwise_row_any(p, n, oh);
    }
  }
}
