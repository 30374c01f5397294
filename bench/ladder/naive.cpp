// Rung 1: the equation, one output after the other.
//
// Every product costs two loads, and neither is near the last one: weights of one output channel lie 9 floats apart
// (their order is [o][i][kh][kw]), and all weights pass by again for every pixel. One sum waits for the one before: a
// chain of additions of 4 cycles each, so no more than a product in 4 cycles whatever the loads do.
#include "bench/ladder/ladder.h"

namespace nad::ladder {
namespace {

float output(const Conv2dArgs& a, int64_t n, int64_t h, int64_t w, int64_t o) {
  const int64_t channels = a.x.shape.c;
  float sum = 0;
  for (int64_t kh = 0; kh < 3; ++kh) {
    for (int64_t kw = 0; kw < 3; ++kw) {
      const float* x = tap_pixel(a, n, h + kh - 1, w + kw - 1, nullptr);
      if (x == nullptr) continue;
      const float* weight = a.weight->data.data() + o * channels * 9 + kh * 3 + kw;
      for (int64_t i = 0; i < channels; ++i) sum += x[i] * weight[i * 9];
    }
  }
  return sum;
}

}  // namespace

Kernel conv2d_naive(Planner&, const Conv2dArgs& args) {
  check_case(args);
  return [args](Context&) {
    const Shape& y = args.y.shape;
    for (int64_t n = 0; n < y.n; ++n) {
      for (int64_t h = 0; h < y.h; ++h) {
        for (int64_t w = 0; w < y.w; ++w) {
          for (int64_t o = 0; o < y.c; ++o) args.y.at(n, h, w)[o] = output(args, n, h, w, o);
        }
      }
    }
  };
}

}  // namespace nad::ladder
