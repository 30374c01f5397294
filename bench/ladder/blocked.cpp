// Rung 2: a tile of outputs at a time, 6 pixels by 16 channels.
//
// For one tap and one input channel the tile needs 6 values of x and 16 weights, 22 loads for 96 products instead of
// 192. And its 96 sums are chains of their own: none waits for another. The tile is small enough to stay in the
// first-level cache, if not in registers. What is still slow: the 16 weights lie channels * 9 floats apart, each in a
// cache line of its own, of which one float is used at a time.
#include <algorithm>

#include "bench/ladder/ladder.h"

namespace nad::ladder {
namespace {

constexpr int64_t kPixels = 6, kChannels = 16;

// Outputs (h, w .. w+5) and channels o .. o+15 of sample n, those that exist.
void tile(const Conv2dArgs& a, const float* zeros, int64_t n, int64_t h, int64_t w, int64_t o) {
  const int64_t channels = a.x.shape.c;
  const int64_t columns = std::min(kChannels, a.y.shape.c - o), pixels = std::min(kPixels, a.y.shape.w - w);
  float sums[kPixels][kChannels] = {};
  for (int64_t kh = 0; kh < 3; ++kh) {
    for (int64_t kw = 0; kw < 3; ++kw) {
      const float* x[kPixels];
      for (int64_t p = 0; p < kPixels; ++p) x[p] = tap_pixel(a, n, h + kh - 1, w + p + kw - 1, zeros);
      const float* weight = a.weight->data.data() + o * channels * 9 + kh * 3 + kw;
      for (int64_t i = 0; i < channels; ++i) {
        for (int64_t c = 0; c < columns; ++c) {
          const float factor = weight[(c * channels + i) * 9];
          for (int64_t p = 0; p < kPixels; ++p) sums[p][c] += x[p][i] * factor;
        }
      }
    }
  }
  for (int64_t p = 0; p < pixels; ++p) std::copy_n(sums[p], columns, a.y.at(n, h, w + p) + o);
}

}  // namespace

Kernel conv2d_blocked(Planner&, const Conv2dArgs& args) {
  check_case(args);
  return [args, zeros = std::vector<float>(static_cast<size_t>(args.x.shape.c))](Context&) {
    const Shape& y = args.y.shape;
    for (int64_t n = 0; n < y.n; ++n) {
      for (int64_t h = 0; h < y.h; ++h) {
        for (int64_t w = 0; w < y.w; w += kPixels) {
          for (int64_t o = 0; o < y.c; o += kChannels) tile(args, zeros.data(), n, h, w, o);
        }
      }
    }
  };
}

}  // namespace nad::ladder
