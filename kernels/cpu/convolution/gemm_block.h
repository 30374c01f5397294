// Implicit GEMM convolution: one block of output pixels.
//
//   y[m, o] = sum over taps t, channels i of x'[pixel(m) + tap(t), i] * w[t, i, o]
//
// The rows of A of about 112 pixels at a time (a slice of at most ~400 values of k) are packed into L2, with zero
// padding and prologue applied, and multiplied by every panel of the weights while they are there: a matrix A of the
// whole input (im2col) would write and read 9 copies of it through memory. 1x1 with stride 1 and no prologue reads
// the tensor itself. The sums of a tile stay in L1 between slices of k and are finished (shift, residual, ReLU,
// gate) from there as soon as the last slice is done.
//
// Included after a vector_*.h, by gemm_block_{avx2,avx512,narrow_avx512,amx}.cpp.
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/finish.h"

namespace nad::cpu::NAD_VECTOR {
namespace {

constexpr int64_t kNearWeights = 512 << 10;  // bytes that stay in L2 while every tile of rows meets all of them

struct RowPosition {  // of one row of A
  int64_t pixel;      // of y
  int64_t n, h, w;    // sample, and the input pixel that tap (0, 0) reads
};

struct BlockScratch {
  RowPosition* position;
  float* sums;
  char* packed;
};

int64_t packed_row_bytes(const GemmConv& conv) {
  const int64_t values = conv.shape.k < conv.shape.block ? conv.shape.k : conv.shape.block;
  return (values * Value::kBytes + 2 + 63) / 64 * 64;
}

// Rows that there is memory for.
int64_t capacity(const GemmConv& conv) {
  return kWholeTiles ? (conv.block_rows + kTileRows - 1) / kTileRows * kTileRows : conv.block_rows;
}

// Rows cut into tiles: of the same length within one, or with kWholeTiles all but the last whole. No division per
// tile: one of few products is not longer than two of them.
struct TileCut {
  int64_t rows, tiles, length, longer;
  explicit TileCut(int64_t row_count)
      : rows(row_count), tiles((row_count + kTileRows - 1) / kTileRows), length(rows / tiles), longer(rows % tiles) {}
  int64_t begin(int64_t i) const {
    if (kWholeTiles) return i * kTileRows < rows ? i * kTileRows : rows;
    return i * length + (i < longer ? i : longer);
  }
};

// The weights of one slice of k: panel p begins p * panel_bytes behind the first.
struct SliceWeights {
  const char* base = nullptr;
  int64_t panel_bytes = 0;
  SliceWeights(const GemmConv& conv, int64_t slice) {
    if (slice >= conv.shape.blocks()) return;
    base = static_cast<const char*>(conv.weights) + conv.shape.offset(slice, 0);
    panel_bytes = conv.shape.steps(slice) * kPanel * 4;
  }
  const char* panel(int64_t i) const { return base + i * panel_bytes; }
};

BlockScratch divide(const GemmConv& conv, void* scratch) {
  char* p = static_cast<char*>(scratch);
  BlockScratch s;
  s.packed = p;
  p += (conv.direct ? 0 : capacity(conv) * packed_row_bytes(conv)) + 64;
  s.sums = reinterpret_cast<float*>(p);
  p += capacity(conv) * conv.block_panels * kPanel * 4;
  s.position = reinterpret_cast<RowPosition*>(p);
  return s;
}

void locate_rows(const GemmConv& conv, int64_t begin, int64_t end, RowPosition* position) {
  const int64_t plane = conv.grid_h * conv.grid_w;
  int64_t n = begin / plane, r = begin % plane / conv.grid_w, c = begin % conv.grid_w;
  for (int64_t m = begin; m < end; ++m) {
    const int64_t oh = conv.out_h0 + r * conv.out_step_h, ow = conv.out_w0 + c * conv.out_step_w;
    *position++ = {(n * conv.out_h + oh) * conv.out_w + ow, n, r * conv.step_h, c * conv.step_w};
    if (++c == conv.grid_w) {
      c = 0;
      if (++r == conv.grid_h) r = 0, ++n;
    }
  }
}

struct Packer {
  const Source& source;
  char* to;

  // Always a whole vector: masked stores are slow on AMD's processors, and what is too much lies where the next
  // value, the next row or the slack behind the last row comes.
  void put(Vector v) { Value::put(to, v); }
  void advance(int64_t values) { to += values * Value::kBytes; }

  void fill(int64_t count) {  // with zeros
    for (; count > 0; count -= kLanes) {
      put(L::set(0.f));
      advance(count < kLanes ? count : kLanes);
    }
  }
  void copy(const float* from, int64_t count) {
    for (; count >= 2 * kLanes; count -= 2 * kLanes, from += 2 * kLanes) {
      Value::put(to, L::load(from), L::load(from + kLanes));
      advance(2 * kLanes);
    }
    for (; count >= kLanes; count -= kLanes, from += kLanes) {
      put(L::load(from));
      advance(kLanes);
    }
    if (count > 0) {
      put(Mask::first(count).load(from));
      advance(count);
    }
  }
  // max(scale * x + shift, floor) of `count` channels from `channel` on
  void transform(const float* pixel, int64_t channel, int64_t count) {
    const float *scale = source.scale, *shift = source.shift;
    const Vector floor = L::set(source.floor);
    const auto at = [&](int64_t c) __attribute__((always_inline)) {
      return L::max(floor, L::multiply_add(L::load(pixel + c), L::load(scale + c), L::load(shift + c)));
    };
    for (; count >= 2 * kLanes; count -= 2 * kLanes, channel += 2 * kLanes) {
      Value::put(to, at(channel), at(channel + kLanes));
      advance(2 * kLanes);
    }
    for (; count >= kLanes; count -= kLanes, channel += kLanes) {
      put(at(channel));
      advance(kLanes);
    }
    if (count > 0) {
      const Vector x = Mask::first(count).load(pixel + channel);
      put(L::max(floor, L::multiply_add(x, L::load(scale + channel), L::load(shift + channel))));
      advance(count);
    }
  }
};

int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

// Values [k0, k1) of one row of A. A run of taps is contiguous in x; what lies left and right of the image is 0.
void pack_row(const GemmConv& conv, const RowPosition& at, int64_t k0, int64_t k1, char* to) {
  const Source& s = conv.source;
  Packer packer{s, to};
  int64_t run_begin = 0;
  for (const TapRun* run = conv.runs; run != conv.runs + conv.run_count && run_begin < k1; ++run) {
    const int64_t length = run->count * s.channels;
    const int64_t first = (k0 > run_begin ? k0 : run_begin) - run_begin;
    const int64_t last = (k1 < run_begin + length ? k1 : run_begin + length) - run_begin;
    run_begin += length;
    if (first >= last) continue;
    const int64_t h = at.h + run->dh, w = at.w + run->dw;
    if (h < 0 || h >= s.h) {
      packer.fill(last - first);
      continue;
    }
    const int64_t left = clamp(-w * s.channels, first, last);
    const int64_t right = clamp((s.w - w) * s.channels, left, last);
    packer.fill(left - first);
    if (right > left) {
      const float* pixel = s.x + ((at.n * s.h + h) * s.w + w) * s.stride;
      if (s.prologue()) {
        packer.transform(pixel, left, right - left);
      } else {
        packer.copy(pixel + left, right - left);
      }
    }
    packer.fill(last - right);
  }
  packer.fill((Value::kGroup - (k1 - k0) % Value::kGroup) % Value::kGroup);
}

template <int Variant>
void finish_tile(const Finish& f, const float* sums, int64_t width, int64_t rows, const RowPosition* at,
                 int64_t channel) {
  for (int64_t c = 0; c < width; c += kLanes) {
    const FinishColumn<Variant> column(f, channel + c);
    for (int64_t r = 0; r < rows; ++r) column.store(L::load(sums + r * width + c), at[r].pixel, at[r].n);
  }
}
struct FinishTile {
  template <int Variant>
  static constexpr auto of() {
    return &finish_tile<Variant>;
  }
};

// No tap reaches this phase of dx: the sums are 0.
void finish_zeros(const GemmConv& conv, const RowPosition* position, int64_t rows, int64_t first, int64_t last) {
  alignas(64) static constexpr float kZeros[kTileRows * kPanel] = {};
  const auto finish = finish_variant<FinishTile>(conv.finish.variant());
  for (int64_t panel = first; panel < last; ++panel) {
    for (int64_t m = 0; m < rows; m += kTileRows) {
      const int64_t count = rows - m < kTileRows ? rows - m : kTileRows;
      finish(conv.finish, kZeros, conv.shape.width(panel), count, position + m, panel * kPanel);
    }
  }
}

// What the tiles of one slice of k have in common; a: the block's first row. Packs the rows where they need it.
GemmTile begin_slice(const GemmConv& conv, const BlockScratch& s, int64_t begin, int64_t rows, int64_t slice) {
  const int64_t k0 = slice * conv.shape.block, k1 = k0 + conv.shape.block_length(slice);
  GemmTile t{};
  t.k = conv.shape.steps(slice);
  if (conv.direct) {
    t.a_stride = conv.source.stride * 4;
    t.a = reinterpret_cast<const char*>(conv.source.x + begin * conv.source.stride) + k0 * Value::kBytes;
    return t;
  }
  t.a_stride = packed_row_bytes(conv);
  t.a = s.packed;
  for (int64_t m = 0; m < rows; ++m) pack_row(conv, s.position[m], k0, k1, s.packed + m * t.a_stride);
  return t;
}

GemmTileFunction tile_of(int64_t rows, int64_t width) {
  if constexpr (Value::kBytes == 2) {
    return gemm_tile_bf16(rows, width);
  } else {
    return gemm_tile_fp32(rows, width);
  }
}

// What the block of rows after `end` reads that this one has not read.
Ahead next_block(const GemmConv& conv, int64_t begin, int64_t end) {
  const Source& s = conv.source;
  if (conv.run_count == 0 || (conv.step_h > 1 && conv.run_count == 1)) return {};
  const int64_t last_row = (end + end - begin < conv.rows() ? end + end - begin : conv.rows()) - 1;
  if (last_row < end) return {};
  const TapRun& tap = conv.runs[conv.run_count - 1];
  RowPosition from, to;
  locate_rows(conv, end - 1, end, &from);
  locate_rows(conv, last_row, last_row + 1, &to);
  const auto pixel = [&](const RowPosition& at) {
    return (at.n * s.h + at.h + tap.dh) * s.w + at.w + tap.dw + tap.count - 1;
  };
  return pixels_ahead(s, conv.samples, pixel(from) + 1, pixel(to) + 1);
}

}  // namespace

int64_t gemm_scratch(const GemmConv& conv) {
  return (conv.direct ? 0 : capacity(conv) * packed_row_bytes(conv)) + 64 +
         capacity(conv) * (conv.block_panels * kPanel * 4 + static_cast<int64_t>(sizeof(RowPosition))) + 256;
}

void gemm_block(const GemmConv& conv, int64_t begin, int64_t end, int64_t first, int64_t last, void* scratch) {
  const BlockScratch s = divide(conv, scratch);
  const PackedShape& shape = conv.shape;
  const TileCut cut(end - begin);
  const int64_t rows = cut.rows, tiles = cut.tiles;
  const int64_t sums_rows = capacity(conv);
  const auto finish = finish_variant<FinishTile>(conv.finish.variant());
  [[maybe_unused]] const UnitsInUse units;
  locate_rows(conv, begin, end, s.position);
  const int64_t slices = shape.blocks();
  AheadWalk ahead(next_block(conv, begin, end), 0, slices * (last - first) * tiles);
  for (int64_t slice = 0; slice < slices; ++slice) {
    GemmTile t = begin_slice(conv, s, begin, rows, slice);
    const char* a = static_cast<const char*>(t.a);
    const bool last_slice = slice + 1 == slices;
    const SliceWeights weights(conv, slice), next_weights(conv, slice + 1);
    const auto multiply = [&](int64_t panel, int64_t i) __attribute__((always_inline)) {
      const int64_t width = shape.width(panel), m0 = cut.begin(i), m1 = cut.begin(i + 1);
      const char* next = panel + 1 < last ? weights.panel(panel + 1)
                         : !last_slice    ? next_weights.panel(first)
                                          : weights.panel(panel);
      t.b = weights.panel(panel);
      t.c_stride = width;
      t.a = a + m0 * t.a_stride;
      // Sums of one slice are consumed at once: one tile's memory serves all of them.
      t.c = slices == 1 ? s.sums : s.sums + (panel - first) * kPanel * sums_rows + m0 * width;
      t.prefetch = next + i * t.k * (kAheadBytes / 4);
      ahead.assign(t);
      if (last_slice) {
        for (int64_t m = m0; m < m1; ++m) prefetch_finish(conv.finish, s.position[m].pixel, panel * kPanel, width);
      }
      tile_of(m1 - m0, width)(t, slice > 0);
      if (last_slice) finish(conv.finish, t.c, width, m1 - m0, s.position + m0, panel * kPanel);
    };
    // Rows of y are written, and those of dx and the mask read, from end to end where the weights allow it. Not with
    // AMX, whose products are too fast for weights from L2: there a panel stays in L1 for all tiles of rows.
    if (!kWholeTiles && slices == 1 && shape.bytes() <= kNearWeights) {
      for (int64_t i = 0; i < tiles; ++i) {
        for (int64_t panel = first; panel < last; ++panel) multiply(panel, i);
      }
    } else {
      for (int64_t panel = first; panel < last; ++panel) {
        for (int64_t i = 0; i < tiles; ++i) multiply(panel, i);
      }
    }
  }
  if (slices == 0) finish_zeros(conv, s.position, rows, first, last);
  finish_block(conv.finish);
}

}  // namespace nad::cpu::NAD_VECTOR
