// The end of a convolution in registers: see Finish in conv2d_avx512.h.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/conv2d_avx512.h"

namespace nad::cpu {
namespace {

inline __mmask16 tail_mask(int64_t count) {  // the first min(count, 16) lanes
  return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1);
}

// GCC takes a function of nothing but __builtin_prefetch for one without effects and drops its calls: hence asm.
inline void prefetch_l1(const void* p) { asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(p))); }
inline void prefetch_l2(const void* p) { asm volatile("prefetcht1 %0" : : "m"(*static_cast<const char*>(p))); }

// Stores 16 channels from `channel` on of one pixel. Variant: Finish::variant().
template <int Variant>
inline void finish_vector(const Finish& f, __m512 v, int64_t pixel, int64_t sample, int64_t channel, __mmask16 mask) {
  constexpr bool kMask = Variant & 1, kResidual = Variant & 2, kGate = Variant & 4, kStream = Variant & 8;
  v = _mm512_add_ps(v, _mm512_loadu_ps(f.shift + channel));
  if constexpr (kMask) {
    const __m512 x = _mm512_maskz_loadu_ps(mask, f.mask_x + pixel * f.mask_stride + channel);
    const __m512 before =
        _mm512_fmadd_ps(x, _mm512_loadu_ps(f.mask_scale + channel), _mm512_loadu_ps(f.mask_shift + channel));
    v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(before, _mm512_setzero_ps(), _CMP_GT_OQ), v);
  }
  if constexpr (kResidual) {
    v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, f.residual + pixel * f.residual_stride + channel));
  }
  v = _mm512_max_ps(_mm512_set1_ps(f.floor), v);  // in this order NaN stays NaN
  if constexpr (kGate) {
    v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, f.gate + f.gate_row[sample] * f.channels + channel));
  }
  float* y = f.y + pixel * f.y_stride + channel;
  if (kStream && mask == 0xffff) {
    _mm512_stream_ps(y, v);
  } else {
    _mm512_mask_storeu_ps(y, mask, v);
  }
}

// One entry per variant: Make::of<0>() ... Make::of<15>().
template <class Make>
auto finish_variant(int variant) {
  using Function = decltype(Make::template of<0>());
  static constexpr Function kTable[16] = {
      Make::template of<0>(),  Make::template of<1>(),  Make::template of<2>(),  Make::template of<3>(),
      Make::template of<4>(),  Make::template of<5>(),  Make::template of<6>(),  Make::template of<7>(),
      Make::template of<8>(),  Make::template of<9>(),  Make::template of<10>(), Make::template of<11>(),
      Make::template of<12>(), Make::template of<13>(), Make::template of<14>(), Make::template of<15>()};
  return kTable[variant];
}

// Called once the last vector of a block is stored: other threads must see streamed lines after the next barrier.
inline void finish_block(const Finish& f) {
  if (f.stream) _mm_sfence();
}

// Asks for what finish_vector will read of one pixel, `width` channels from `channel` on.
inline void prefetch_finish(const Finish& f, int64_t pixel, int64_t channel, int64_t width) {
  for (int64_t c = channel; c < channel + width; c += 16) {
    if (f.residual != nullptr) prefetch_l1(f.residual + pixel * f.residual_stride + c);
    if (f.mask_x != nullptr) prefetch_l1(f.mask_x + pixel * f.mask_stride + c);
  }
}

// Rows of memory that the next block will read: fetched into L2 while this block computes, a few lines in each
// register tile, so that the tile's own loads never wait behind them.
struct Ahead {
  const char* base = nullptr;
  int64_t stride = 0;         // bytes from row to row
  int64_t lines_per_row = 0;  // of 64 bytes
  int64_t rows = 0;

  // Register tile number `part` of `parts`. With gaps between the rows a tile walks down one column of lines.
  void assign(GemmTile& tile, int64_t part, int64_t parts) const {
    const int64_t per_column = lines_per_row > 0 ? parts / lines_per_row : 0;
    if (per_column == 0 || part / per_column >= lines_per_row) {
      tile.ahead_lines = 0;
      return;
    }
    const int64_t column = part / per_column, piece = part % per_column;
    const int64_t first = rows * piece / per_column;
    tile.ahead = base + column * 64 + first * stride;
    tile.ahead_lines = rows * (piece + 1) / per_column - first;
    tile.ahead_step = stride;
  }
};

// The pixels [first, last) of a source, clipped to those that exist.
inline Ahead pixels_ahead(const Source& s, int64_t samples, int64_t first, int64_t last) {
  const int64_t pixels = samples * s.h * s.w;
  first = first < 0 ? 0 : first;
  last = last < pixels ? last : pixels;
  if (first >= last) return {};
  const char* base = reinterpret_cast<const char*>(s.x + first * s.stride);
  if (s.stride - s.channels < 16) return {base, 64, 1, (last - first) * s.stride / 16};
  return {base, s.stride * 4, (s.channels * 4 + 63) / 64, last - first};
}

}  // namespace
}  // namespace nad::cpu
