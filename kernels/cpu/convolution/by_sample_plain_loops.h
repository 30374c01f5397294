// Loops of by_sample_plain.cpp, compiled once per instruction set.

// The input pixel that tap (kh, kw) brings to output (h, w), or a pixel of zeros.
static NAD_INLINE const float* tap_pixel(const PlainLoop& p, const float* in, int64_t h, int64_t w, int64_t kh,
                                         int64_t kw) {
  const int64_t row = tap_position(h, kh, p.stride_h, p.pad_h, p.dilation_h, p.gather);
  const int64_t column = tap_position(w, kw, p.stride_w, p.pad_w, p.dilation_w, p.gather);
  if (row < 0 || row >= p.in.h || column < 0 || column >= p.in.w) return p.zeros;
  return in + (row * p.in.w + column) * p.in.c;
}

// kPlainPixels outputs of row h from column w on; channels c .. of group g.
template <class L>
static NAD_INLINE void plain_block(L, const PlainLoop& p, const float* in, float* out, int64_t h, int64_t w,
                                   int64_t g, int64_t c) {
  const int64_t in_channels = p.in.c / p.groups, out_channels = p.out.c / p.groups;
  typename L::F sums[kPlainPixels] = {};
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      const float* pixels[kPlainPixels];
      for (int i = 0; i < kPlainPixels; ++i) pixels[i] = tap_pixel(p, in, h, w + i, kh, kw) + g * in_channels;
      const float* weight = p.weight + ((g * p.kernel_h + kh) * p.kernel_w + kw) * in_channels * out_channels + c;
      for (int64_t k = 0; k < in_channels; ++k) {
        const typename L::F column = L::load(weight + k * out_channels);
#pragma GCC unroll 8
        for (int i = 0; i < kPlainPixels; ++i) sums[i] += pixels[i][k] * column;
      }
    }
  }
  const int64_t channel = g * out_channels + c;
  for (int i = 0; i < kPlainPixels && w + i < p.out.w; ++i) {
    typename L::F v = sums[i];
    if (p.shift) v += L::load(p.shift + channel);
    if (p.relu) v = L::relu(v);
    L::store(out + (h * p.out.w + w + i) * p.out.c + channel, v);
  }
}

static void plain_sample(const PlainLoop& p, const float* in, float* out) {
  for (int64_t g = 0; g < p.groups; ++g) {
    for (int64_t h = 0; h < p.out.h; ++h) {
      for (int64_t w = 0; w < p.out.w; w += kPlainPixels) {
        for_channels(p.out.c / p.groups,
                     [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA { plain_block(lanes, p, in, out, h, w, g, c); });
      }
    }
  }
}
