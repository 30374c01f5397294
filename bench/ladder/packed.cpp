// Rung 3: the same tile with weights in the order in which it reads them (panels.h).
//
// The 16 weights of a tap and an input channel are one cache line, and the next line is the next channel's: the
// processor fetches it before it is asked for. Packing costs once, when the layer is planned, and is used for every
// pixel of every batch. The inner loop now runs over 16 neighbours, which a compiler turns into vectors: of 4 floats,
// as every x86-64 processor has them.
#include <algorithm>

#include "bench/ladder/ladder.h"
#include "bench/ladder/panels.h"

namespace nad::ladder {
namespace {

constexpr int64_t kPixels = 6;

// Outputs (h, w .. w+5) of sample n and the channels of one panel.
void tile(const Conv2dArgs& a, const float* panel, const float* zeros, int64_t n, int64_t h, int64_t w, int64_t o) {
  const int64_t channels = a.x.shape.c;
  float sums[kPixels][kPanel] = {};
  for (int64_t kh = 0; kh < 3; ++kh) {
    for (int64_t kw = 0; kw < 3; ++kw) {
      const float* x[kPixels];
      for (int64_t p = 0; p < kPixels; ++p) x[p] = tap_pixel(a, n, h + kh - 1, w + p + kw - 1, zeros);
      for (int64_t i = 0; i < channels; ++i, panel += kPanel) {
        for (int64_t p = 0; p < kPixels; ++p) {
          for (int64_t c = 0; c < kPanel; ++c) sums[p][c] += x[p][i] * panel[c];
        }
      }
    }
  }
  const int64_t columns = std::min(kPanel, a.y.shape.c - o), pixels = std::min(kPixels, a.y.shape.w - w);
  for (int64_t p = 0; p < pixels; ++p) std::copy_n(sums[p], columns, a.y.at(n, h, w + p) + o);
}

}  // namespace

Kernel conv2d_packed(Planner&, const Conv2dArgs& args) {
  check_case(args);
  return [args, packed = pack_panels(*args.weight),
          zeros = std::vector<float>(static_cast<size_t>(args.x.shape.c))](Context&) {
    const Shape& y = args.y.shape;
    for (int64_t n = 0; n < y.n; ++n) {
      for (int64_t h = 0; h < y.h; ++h) {
        for (int64_t w = 0; w < y.w; w += kPixels) {
          for (int64_t o = 0; o < y.c; o += kPanel) {
            tile(args, packed.data() + o / kPanel * panel_floats(args.x.shape.c), zeros.data(), n, h, w, o);
          }
        }
      }
    }
  };
}

}  // namespace nad::ladder
