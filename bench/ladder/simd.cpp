// Rung 4: the tile in vector registers.
//
// AVX2 multiplies 8 floats and adds them to 8 sums in one instruction, two of them a cycle, if nothing else is in the
// way. 6 pixels by 16 channels are 12 vectors of sums; with 2 vectors of weights and 1 value of x they fill 15 of the 16
// registers, so that no sum goes to memory before the last product. An instruction takes 4 cycles, and 12 chains keep
// two units busy (8 would do). Per input channel: 2 loads of weights, 6 of x, 12 products: loads are no limit either.
//
// The panel is the outer loop here: a panel of weights (9 * channels * 64 bytes) stays in the second-level cache while
// all pixels pass. The engine's tile goes on from here: the input packed as well, the next weights fetched ahead, and 14
// by 32 with AVX-512 (kernels/cpu/convolution/tile_loop.h).
#include <algorithm>

#include "bench/ladder/ladder.h"
#include "bench/ladder/panels.h"
#include "engine/error.h"
#include "kernels/cpu/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace nad::ladder {
namespace {

constexpr int64_t kPixels = 6;

// Outputs (h, w .. w+5) of sample n and the channels of one panel.
__attribute__((target("avx2,fma"))) void tile(const Conv2dArgs& a, const float* panel, const float* zeros, int64_t n,
                                              int64_t h, int64_t w, int64_t o) {
  const int64_t channels = a.x.shape.c;
  __m256 sums[kPixels][2] = {};
  for (int64_t kh = 0; kh < 3; ++kh) {
    for (int64_t kw = 0; kw < 3; ++kw) {
      const float* x[kPixels];
      for (int64_t p = 0; p < kPixels; ++p) x[p] = tap_pixel(a, n, h + kh - 1, w + p + kw - 1, zeros);
      for (int64_t i = 0; i < channels; ++i, panel += kPanel) {
        const __m256 low = _mm256_loadu_ps(panel), high = _mm256_loadu_ps(panel + 8);
#pragma GCC unroll 6
        for (int64_t p = 0; p < kPixels; ++p) {
          const __m256 value = _mm256_broadcast_ss(x[p] + i);
          sums[p][0] = _mm256_fmadd_ps(value, low, sums[p][0]);
          sums[p][1] = _mm256_fmadd_ps(value, high, sums[p][1]);
        }
      }
    }
  }
  // Unrolled: sums that a loop indexed would have an address, and so would live in memory from the start.
  float results[kPixels][kPanel];
#pragma GCC unroll 6
  for (int64_t p = 0; p < kPixels; ++p) {
    _mm256_storeu_ps(results[p], sums[p][0]);
    _mm256_storeu_ps(results[p] + 8, sums[p][1]);
  }
  const int64_t columns = std::min(kPanel, a.y.shape.c - o), pixels = std::min(kPixels, a.y.shape.w - w);
  for (int64_t p = 0; p < pixels; ++p) std::copy_n(results[p], columns, a.y.at(n, h, w + p) + o);
}

}  // namespace

Kernel conv2d_simd(Planner&, const Conv2dArgs& args) {
  check_case(args);
  if (cpu::best_isa() < cpu::Isa::avx2) throw Error(ErrorKind::device, "the rung simd needs AVX2 and FMA");
  return [args, packed = pack_panels(*args.weight),
          zeros = std::vector<float>(static_cast<size_t>(args.x.shape.c))](Context&) {
    const Shape& y = args.y.shape;
    for (int64_t o = 0; o < y.c; o += kPanel) {
      const float* panel = packed.data() + o / kPanel * panel_floats(args.x.shape.c);
      for (int64_t row = 0; row < y.n * y.h; ++row) {
        for (int64_t w = 0; w < y.w; w += kPixels) tile(args, panel, zeros.data(), row / y.h, row % y.h, w, o);
      }
    }
  };
}

}  // namespace nad::ladder

#else

namespace nad::ladder {
Kernel conv2d_simd(Planner&, const Conv2dArgs&) {
  throw Error(ErrorKind::device, "the rung simd needs AVX2 and FMA");
}
}  // namespace nad::ladder

#endif
