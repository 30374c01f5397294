// The end of a convolution in registers: see Finish in blocks.h. Included after a vector_*.h.
#pragma once

#include "kernels/cpu/convolution/blocks.h"

namespace nad::cpu {
namespace {

// GCC takes a function of nothing but __builtin_prefetch for one without effects and drops its calls: hence asm.
inline void prefetch_l1(const void* p) { asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(p))); }

inline void prefetch_to_write(void* p) { asm volatile("prefetchw %0" : : "m"(*static_cast<char*>(p))); }

#define NAD_EPILOGUE_FUNCTION static NAD_INLINE
#include "kernels/epilogue_order.h"
#undef NAD_EPILOGUE_FUNCTION

// In place of a scale that the weights hold already.
struct Folded {};
struct FinishMath : L {
  using L::multiply_add;
  static NAD_INLINE Vector multiply_add(Folded, Vector b, Vector c) { return b + c; }
};

// kLanes channels from `channel` on: what all pixels share is loaded once. Variant: Finish::variant().
template <int Variant>
class FinishColumn {
 public:
  FinishColumn(const Finish& finish, int64_t channel)
      : f_(finish),
        channel_(channel),
        lanes_(Mask::first(finish.channels - channel)),
        shift_(L::load(finish.shift + channel)),
        floor_(L::set(finish.floor)) {
    if constexpr (kMask) {
      scale_ = L::load(finish.scale + channel);
      mask_shift_ = L::load(finish.mask_shift + channel);
    }
  }
  NAD_INLINE void store(Vector v, int64_t pixel, int64_t sample) const {
    v = apply_epilogue(Part{*this, pixel, sample}, v);
    float* y = f_.y + pixel * f_.y_stride + channel_;
    if (!lanes_.is_whole()) {
      lanes_.store(y, v);
    } else if (kStream) {
      L::stream(y, v);
    } else {
      L::store(y, v);
    }
  }

 private:
  static constexpr bool kMask = Variant & 1, kResidual = Variant & 2, kGate = Variant & 4, kStream = Variant & 8;
  struct Part {  // see kernels/epilogue_order.h
    using Math = FinishMath;
    using F = Vector;
    static constexpr bool kMaskable = kMask;
    const FinishColumn& column;
    int64_t pixel, sample;

    NAD_INLINE bool is_affine() const { return true; }
    NAD_INLINE bool has_mask() const { return kMask; }
    NAD_INLINE bool has_residual() const { return kResidual; }
    NAD_INLINE bool has_relu() const { return true; }
    NAD_INLINE bool has_gate() const { return kGate; }
    NAD_INLINE Folded scale() const { return {}; }
    NAD_INLINE Vector shift() const { return column.shift_; }
    NAD_INLINE Vector mask_scale() const { return column.scale_; }
    NAD_INLINE Vector mask() const { return at(column.f_.mask + pixel * column.f_.mask_stride); }
    NAD_INLINE Vector mask_shift() const { return column.mask_shift_; }
    NAD_INLINE Vector residual() const { return at(column.f_.residual + pixel * column.f_.residual_stride); }
    NAD_INLINE Vector relu(Vector z) const { return L::max(column.floor_, z); }
    NAD_INLINE Vector gate() const { return at(column.f_.gate + column.f_.gate_row[sample] * column.f_.gate_stride); }
    NAD_INLINE Vector at(const float* first) const { return column.lanes_.load(first + column.channel_); }
  };
  const Finish& f_;
  const int64_t channel_;
  const Mask lanes_;  // those that are channels
  const Vector shift_, floor_;
  Vector scale_, mask_shift_;
};

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
  if (f.stream) stream_fence();
}

// Asks for what a FinishColumn will read and write of one pixel, `width` channels from `channel` on. Lines that are
// written are asked for too: to own them takes as long as to read them.
inline void prefetch_finish(const Finish& f, int64_t pixel, int64_t channel, int64_t width) {
  for (int64_t c = channel; c < channel + width; c += 16) {
    if (f.residual != nullptr) prefetch_l1(f.residual + pixel * f.residual_stride + c);
    if (f.mask != nullptr) prefetch_l1(f.mask + pixel * f.mask_stride + c);
    if (!f.stream) prefetch_to_write(f.y + pixel * f.y_stride + c);
  }
}

// Rows of memory that the next block will read: fetched into L2 while this block computes, a few lines in each
// register tile, so that the tile's own loads never wait behind them.
struct Ahead {
  const char* base = nullptr;
  int64_t stride = 0;         // bytes from row to row
  int64_t lines_per_row = 0;  // of 64 bytes
  int64_t rows = 0;
};

// Deals the lines of an Ahead out to `parts` register tiles, in turn from tile
// number `part` on. With gaps between the rows a tile walks down one column of
// lines. No division per tile: a tile of few products is not longer than one.
class AheadWalk {
 public:
  AheadWalk(const Ahead& ahead, int64_t part, int64_t parts) : ahead_(ahead) {
    per_column_ = ahead.lines_per_row > 0 ? parts / ahead.lines_per_row : 0;
    if (per_column_ == 0) return;
    lines_ = ahead.rows / per_column_;
    extra_ = ahead.rows % per_column_;
    column_ = part / per_column_;
    piece_ = part % per_column_;
    carry_ = piece_ * extra_ % per_column_;
    at_ = ahead.base + column_ * 64 + ahead.rows * piece_ / per_column_ * ahead.stride;
  }
  void assign(GemmTile& tile) {
    tile.ahead_lines = 0;
    if (per_column_ == 0 || column_ >= ahead_.lines_per_row) return;
    carry_ += extra_;
    tile.ahead = at_;
    tile.ahead_step = ahead_.stride;
    tile.ahead_lines = lines_ + (carry_ >= per_column_ ? 1 : 0);
    if (carry_ >= per_column_) carry_ -= per_column_;
    at_ += tile.ahead_lines * ahead_.stride;
    if (++piece_ < per_column_) return;
    piece_ = carry_ = 0;
    at_ = ahead_.base + ++column_ * 64;
  }

 private:
  Ahead ahead_;
  int64_t per_column_ = 0;         // tiles that share a column
  int64_t lines_ = 0, extra_ = 0;  // of a tile; every per_column_ / extra_ tiles one more
  int64_t column_ = 0, piece_ = 0, carry_ = 0;
  const char* at_ = nullptr;
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
