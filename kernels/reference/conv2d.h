// Convolution: acc[n, oh, ow, o] = sum_{kh, kw, i} W[o, i, kh, kw] * x'[n, ih, iw, i]
//   ih = oh*stride_h - pad_h + kh*dilation_h + offset_h, iw alike; x' = prologue(x), 0 outside; then the epilogue.
// To the data: dx[n, ih, iw, i] (+)= prologue'(x) * sum_{kh, kw, o} W[o, i, kh, kw] * scale[o] * dz[n, oh, ow, o]
//   over the (kh, oh), (kw, ow) that meet the equation for ih and iw.
// One output pixel and 16 channels at a time; weights are reordered so that these 16 are adjacent.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/parallel.h"
#include "kernels/reference/common.h"

namespace nad::reference {

inline constexpr int64_t kTile = 16;

// [KH, KW, I/groups, O] from [O, I/groups, KH, KW].
inline std::vector<float> pack_forward(const HostTensor& weight) {
  const int64_t out = weight.shape[0], in = weight.shape[1], taps = weight.shape[2] * weight.shape[3];
  std::vector<float> packed(weight.data.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t t = 0; t < taps; ++t) packed[(t * in + i) * out + o] = weight.data[(o * in + i) * taps + t];
    }
  }
  return packed;
}

// [KH, KW, O, I/groups] from [O, I/groups, KH, KW].
inline std::vector<float> pack_backward(const HostTensor& weight) {
  const int64_t out = weight.shape[0], in = weight.shape[1], taps = weight.shape[2] * weight.shape[3];
  std::vector<float> packed(weight.data.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t t = 0; t < taps; ++t) packed[(t * out + o) * in + i] = weight.data[(o * in + i) * taps + t];
    }
  }
  return packed;
}

inline double prologue_affine(const Prologue& p, double x, int64_t c) {
  return at(p.scale, c, 1) * x + at(p.shift, c, 0);
}

// The output row that reads input row `in` with kernel row `k`, or -1.
inline int64_t output_index(int64_t in, int64_t k, int64_t stride, int64_t pad, int64_t dilation, int64_t offset,
                            int64_t extent) {
  const int64_t scaled = in + pad - k * dilation - offset;
  if (scaled < 0 || scaled % stride) return -1;
  return scaled / stride < extent ? scaled / stride : -1;
}

template <class Args>
void conv2d_pixel(const Args& a, const std::vector<float>& packed, int64_t n, int64_t oh, int64_t ow) {
  const Conv2dParams& p = a.params;
  const Shape &xs = a.x.shape, &ys = a.y.shape;
  const int64_t in = xs.c / p.groups, out = ys.c / p.groups;
  for (int64_t o0 = 0; o0 < ys.c; o0 += std::min(kTile, out - o0 % out)) {
    const int64_t tile = std::min(kTile, out - o0 % out), first_in = o0 / out * in;
    double acc[kTile] = {};
    for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
      const int64_t ih = oh * p.stride_h - p.pad_h + kh * p.dilation_h + p.offset_h;
      if (ih < 0 || ih >= xs.h) continue;
      for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
        const int64_t iw = ow * p.stride_w - p.pad_w + kw * p.dilation_w + p.offset_w;
        if (iw < 0 || iw >= xs.w) continue;
        const auto* x = a.x.at(n, ih, iw) + first_in;
        const float* w = packed.data() + (kh * p.kernel_w + kw) * in * ys.c + o0;
        for (int64_t i = 0; i < in; ++i, w += ys.c) {
          double value = prologue_affine(a.prologue, static_cast<double>(x[i]), first_in + i);
          if (a.prologue.relu) value = relu(value);
          for (int64_t o = 0; o < tile; ++o) acc[o] += value * static_cast<double>(w[o]);
        }
      }
    }
    const int64_t pixel = (n * ys.h + oh) * ys.w + ow;
    for (int64_t o = 0; o < tile; ++o) finish(a.epilogue, a.y, pixel, o0 + o, acc[o]);
  }
}

template <class Args>
void conv2d(const Args& a, const std::vector<float>& packed) {
  const Shape& s = a.y.shape;
  parallel_for(s.n * s.h, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t ow = 0; ow < s.w; ++ow) conv2d_pixel(a, packed, row / s.h, row % s.h, ow);
    }
  });
}

// The tap's sums over y, once it is complete.
template <class Args>
void conv2d_tap_sums(const Args& a) {
  const int64_t half = a.y.shape.n / 2, plane = a.y.shape.h * a.y.shape.w;
  for (int64_t n = 0; n < half; ++n) {
    a.tap_sum[n] = 0;
    for (int64_t pixel = n * plane; pixel < (n + 1) * plane; ++pixel) {
      const auto *first = a.y.pixel(pixel), *second = a.y.pixel(pixel + half * plane);
      for (int64_t c = 0; c < a.y.shape.c; ++c) {
        const double difference = static_cast<double>(second[c]) - static_cast<double>(first[c]);
        a.tap_sum[n] += difference * difference;
      }
    }
  }
}

template <class Args>
void conv2d_backward_pixel(const Args& a, const std::vector<float>& packed, int64_t n, int64_t ih, int64_t iw) {
  const Conv2dParams& p = a.params;
  const Shape &xs = a.dx.shape, &ys = a.dz.shape;
  const int64_t in = xs.c / p.groups, out = ys.c / p.groups;
  for (int64_t i0 = 0; i0 < xs.c; i0 += std::min(kTile, in - i0 % in)) {
    const int64_t tile = std::min(kTile, in - i0 % in), first_out = i0 / in * out;
    double acc[kTile] = {};
    for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
      const int64_t oh = output_index(ih, kh, p.stride_h, p.pad_h, p.dilation_h, p.offset_h, ys.h);
      if (oh < 0) continue;
      for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
        const int64_t ow = output_index(iw, kw, p.stride_w, p.pad_w, p.dilation_w, p.offset_w, ys.w);
        if (ow < 0) continue;
        const auto* dz = a.dz.at(n, oh, ow) + first_out;
        const float* w = packed.data() + ((kh * p.kernel_w + kw) * ys.c + first_out) * in + i0 % in;
        for (int64_t o = 0; o < out; ++o, w += in) {
          const double value = at(a.scale, first_out + o, 1) * static_cast<double>(dz[o]);
          for (int64_t i = 0; i < tile; ++i) acc[i] += value * static_cast<double>(w[i]);
        }
      }
    }
    auto* dx = a.dx.at(n, ih, iw);
    for (int64_t i = i0; i < i0 + tile; ++i) {
      double slope = at(a.prologue.scale, i, 1);
      if (a.prologue.relu && !(prologue_affine(a.prologue, static_cast<double>(a.x.at(n, ih, iw)[i]), i) > 0))
        slope = 0;
      put(dx[i], slope * acc[i - i0], a.mode);
    }
  }
}

template <class Args>
void conv2d_backward(const Args& a, const std::vector<float>& packed) {
  const Shape& s = a.dx.shape;
  parallel_for(s.n * s.h, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t iw = 0; iw < s.w; ++iw) conv2d_backward_pixel(a, packed, row / s.h, row % s.h, iw);
    }
  });
}

}  // namespace nad::reference
