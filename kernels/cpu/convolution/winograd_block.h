// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, arXiv:1509.09308): 36 products per 4x4 outputs, not 144.
//
//   Y = A' [ (G g G') . (B' d B) ] A      d: a 6x6 input tile, g: a 3x3 kernel, Y: a 4x4 output tile
//
// summed over input channels, the elementwise product is 36 GEMMs [tiles x I] x [I x O]. A, B, G interpolate at
// 0, +-a, +-b and infinity. With a = 3/4, b = 3/2, short in binary, the error is half that of the usual 1 and 2
// (relative error in norm 7e-7 against 1.5e-6, 256 channels).
//
// Transforms of the whole tensor around one batched GEMM would move 36/16 of the input and of the output through
// memory. So tiles are taken in blocks whose transforms stay in the caches, vectorised over channels, a vector at a
// time, with the epilogue in the output transform (winograd.cpp sizes the blocks). In bf16 the products are of
// 16-bit integers, twice as many at once. Rounding the transforms to bf16 instead would cost four times the error of
// direct bf16 products: 8 bits are too few for what the transforms amplify. Integers have 16, and all they need is a
// scale for each row that is summed over, the channels of a tile's position (round_tile), and for each column of
// weights. Relative error in norm 0.0003 to 0.0012, direct bf16 0.0021 (tests/test_winograd_integers.cpp).
//
// Included after a vector_*.h, by winograd_block_{avx2,avx512,narrow_avx2,narrow_avx512}.cpp.
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/finish.h"
#include "kernels/cpu/convolution/winograd_points.h"

namespace nad::cpu::NAD_VECTOR {
namespace {

constexpr int kIn = kWinogradInput, kOut = kWinogradTile;
constexpr float kA = kWinogradA, kB = kWinogradB;

// B' d of six values.
inline void transform_input(const Vector d[kIn], Vector t[kIn]) {
  const Vector a = L::set(kA), b = L::set(kB), a2 = L::set(kA * kA), b2 = L::set(kB * kB);
  const Vector sum = L::set(kA * kA + kB * kB), product = L::set(kA * kA * kB * kB);
  t[0] = L::multiply_add(product, d[0], L::subtract_product(sum, d[2], d[4]));
  const Vector even_a = L::subtract_product(b2, d[2], d[4]), odd_a = L::subtract_product(b2, d[1], d[3]);
  t[1] = L::multiply_add(a, odd_a, even_a);
  t[2] = L::subtract_product(a, odd_a, even_a);
  const Vector even_b = L::subtract_product(a2, d[2], d[4]), odd_b = L::subtract_product(a2, d[1], d[3]);
  t[3] = L::multiply_add(b, odd_b, even_b);
  t[4] = L::subtract_product(b, odd_b, even_b);
  t[5] = L::multiply_add(product, d[1], L::subtract_product(sum, d[3], d[5]));
}

// A' m of six values.
inline void transform_output(const Vector m[kIn], Vector y[kOut]) {
  const Vector a = L::set(kA), b = L::set(kB), a2 = L::set(kA * kA), b2 = L::set(kB * kB);
  const Vector a3 = L::set(kA * kA * kA), b3 = L::set(kB * kB * kB);
  const Vector plus_a = m[1] + m[2], minus_a = m[1] - m[2];
  const Vector plus_b = m[3] + m[4], minus_b = m[3] - m[4];
  y[0] = m[0] + (plus_a + plus_b);
  y[1] = L::multiply_add(a, minus_a, b * minus_b);
  y[2] = L::multiply_add(a2, plus_a, b2 * plus_b);
  y[3] = L::multiply_add(a3, minus_a, L::multiply_add(b3, minus_b, m[5]));
}

struct TilePosition {
  int64_t n, h, w;  // sample and first output pixel
};

TilePosition locate_tile(const WinogradConv& conv, int64_t tile) {
  const int64_t per_sample = conv.tiles_h * conv.tiles_w;
  return {tile / per_sample, tile % per_sample / conv.tiles_w * kOut, tile % conv.tiles_w * kOut};
}

// Six pixels of a wide row of a map that was halved by max-pooling: see Source::argmax. inside: of every pixel.
inline void unpooled_row(const Source& s, int64_t n, int64_t h, int64_t w0, int64_t channel, const Mask inside[kIn],
                         Vector d[kIn]) {
  const int64_t row = (n * (s.h / 2) + h / 2) * (s.w / 2);
#pragma GCC unroll 6
  for (int c = 0; c < kIn; ++c) {
    const int64_t w = w0 + c, pixel = row + (w >> 1);  // -1 outside, where nothing is read
    d[c] = inside[c].load_where_equal(s.x + pixel * s.stride + channel, s.argmax + pixel * s.channels + channel,
                                      static_cast<int>(h % 2 * 2 + (w & 1)));
  }
}

// The 6x6 pixels of a tile, a vector of channels from `channel` on, prologue applied, 0 outside the image. Inside:
// the whole tile lies in the image and all channels of the vector exist.
template <bool Inside, bool Prologue>
void input_tile(const Source& s, int64_t n, int64_t h0, int64_t w0, int64_t channel, float* to, int64_t plane) {
  const Mask tail = Inside ? Mask::whole() : Mask::first(s.channels - channel);
  const bool pooled = !Inside && s.argmax != nullptr;  // an odd last row or column lies in no window
  const int64_t height = pooled ? s.h / 2 * 2 : s.h, width = pooled ? s.w / 2 * 2 : s.w;
  Mask inside[kIn];  // the channels of pixels in columns of the image
#pragma GCC unroll 6
  for (int c = 0; c < kIn; ++c) inside[c] = Inside || (w0 + c >= 0 && w0 + c < width) ? tail : Mask::none();
  const float* base = s.x + ((n * s.h + h0) * s.w + w0) * s.stride + channel;
  Vector columns[kIn][kIn];  // [row][column]: B' applied along the rows
  for (int r = 0; r < kIn; ++r) {
    Vector d[kIn] = {};
    const bool row_inside = Inside || (h0 + r >= 0 && h0 + r < height);
    if (row_inside && pooled) {
      unpooled_row(s, n, h0 + r, w0, channel, inside, d);
    } else if (row_inside) {
#pragma GCC unroll 6
      for (int c = 0; c < kIn; ++c) {
        const float* p = base + (r * s.w + c) * s.stride;
        d[c] = Inside ? L::load(p) : inside[c].load(p);
        if constexpr (Prologue) {
          d[c] = L::multiply_add(d[c], L::load(s.scale + channel), L::load(s.shift + channel));
          d[c] = L::max(L::set(s.floor), d[c]);
          if (!Inside) d[c] = inside[c].keep(d[c]);
        }
      }
    }
    transform_input(d, columns[r]);
  }
#pragma GCC unroll 6
  for (int c = 0; c < kIn; ++c) {
    Vector d[kIn], t[kIn];
#pragma GCC unroll 6
    for (int r = 0; r < kIn; ++r) d[r] = columns[r][c];
    transform_input(d, t);
#pragma GCC unroll 6
    for (int r = 0; r < kIn; ++r) L::store(to + (r * kIn + c) * plane, t[r]);
  }
}

// The maxima of 2x2 outputs, and where they were.
template <int Variant>
void store_pooled(const WinogradConv& conv, const TilePosition& at, int64_t channel, const Vector y[kOut][kOut]) {
  const FinishColumn<Variant> column(conv.finish, channel);
  const Mask mask = Mask::first(conv.finish.channels - channel);
  const int64_t rows = conv.out_h / 2, columns = conv.out_w / 2;
  for (int64_t r = 0; r < kOut / 2 && at.h / 2 + r < rows; ++r) {
    for (int64_t c = 0; c < kOut / 2 && at.w / 2 + c < columns; ++c) {
      Vector best = y[2 * r][2 * c];
      L::I where = L::set_int(0);
      for (int i = 1; i < 4; ++i) {
        const Vector v = y[2 * r + i / 2][2 * c + i % 2];
        const L::I larger = L::greater(v, best);
        where = L::select_int(larger, L::set_int(i), where);
        best = L::select(larger, v, best);
      }
      const int64_t pixel = (at.n * rows + at.h / 2 + r) * columns + at.w / 2 + c;
      column.store(best, pixel, at.n);
      if (conv.argmax != nullptr) mask.store_bytes(conv.argmax + pixel * conv.finish.channels + channel, where);
    }
  }
}

template <int Variant>
void output_tile(const WinogradConv& conv, const TilePosition& at, const float* products, int64_t channel,
                 bool inside) {
  const int64_t plane = conv.product_plane();
  Vector rows[kOut][kIn];
#pragma GCC unroll 6
  for (int c = 0; c < kIn; ++c) {
    Vector m[kIn], y[kOut];
#pragma GCC unroll 6
    for (int r = 0; r < kIn; ++r) m[r] = L::load(products + (r * kIn + c) * plane);
    transform_output(m, y);
#pragma GCC unroll 4
    for (int r = 0; r < kOut; ++r) rows[r][c] = y[r];
  }
  if (conv.pool) {
    Vector y[kOut][kOut];
#pragma GCC unroll 4
    for (int r = 0; r < kOut; ++r) transform_output(rows[r], y[r]);
    return store_pooled<Variant>(conv, at, channel, y);
  }
  const FinishColumn<Variant> column(conv.finish, channel);
  for (int r = 0; r < kOut; ++r) {
    if (!inside && at.h + r >= conv.out_h) break;
    Vector y[kOut];
    transform_output(rows[r], y);
    const int64_t pixel = (at.n * conv.out_h + at.h + r) * conv.out_w + at.w;
#pragma GCC unroll 4
    for (int c = 0; c < kOut; ++c) {
      if (inside || at.w + c < conv.out_w) column.store(y[c], pixel + c, at.n);
    }
  }
}
struct OutputTile {
  template <int Variant>
  static constexpr auto of() {
    return &output_tile<Variant>;
  }
};

// The input rows of the tiles [first, last) that the tiles before them have not read.
Ahead next_tiles(const WinogradConv& conv, int64_t first, int64_t last) {
  if (first >= last) return {};
  Source s = conv.source;  // as it is in memory
  const int64_t wide = s.argmax != nullptr ? 2 : 1;
  s.h /= wide;
  s.w /= wide;
  const TilePosition from = locate_tile(conv, first), to = locate_tile(conv, last - 1);
  const int64_t begin = from.h + conv.origin_h + (from.h > 0 ? kIn - kOut : 0), end = to.h + conv.origin_h + kIn;
  return pixels_ahead(s, conv.samples, (from.n * s.h + begin / wide) * s.w, (to.n * s.h + end / wide) * s.w);
}

// Integers of one tile: each of its 36 rows of channels is scaled to the norm kWinogradInputNorm and rounded. With
// columns of weights of the norm kWinogradWeightNorm no sum of products, whole or in part, exceeds 31 bits (Cauchy
// and Schwarz). Rows of a norm below 1e-18 count as 0; a row with an infinity or NaN yields NaN.
void round_tile(const float* tile, int64_t plane, int64_t channels, char* to, int64_t to_plane, float* row_scale,
                int64_t scale_plane) {
  constexpr int64_t kRows = (kWinogradPositions + kLanes - 1) / kLanes * kLanes;
  alignas(64) float squares[kRows] = {}, inverse[kRows];
  for (int64_t p = 0; p < kWinogradPositions; ++p) {
    const float* row = tile + p * plane;
    Vector even = L::set(0.f), odd = L::set(0.f);
    for (int64_t c = 0; c < channels; c += 2 * kLanes) {
      const Vector a = L::load(row + c), b = L::load(row + c + kLanes);
      even = L::multiply_add(a, a, even);
      odd = L::multiply_add(b, b, odd);
    }
    squares[p] = L::sum(even + odd);
  }
  for (int64_t p = 0; p < kRows; p += kLanes) {
    const Vector square = L::load(squares + p), norm = L::sqrt(square), most = L::set(kWinogradInputNorm);
    L::store(inverse + p, L::keep_where_positive(square - L::set(1e-36f), most / norm));
    L::store(squares + p, norm / most);
  }
  for (int64_t p = 0; p < kWinogradPositions; ++p) {
    row_scale[p * scale_plane] = squares[p];
    const Vector scale = L::set(inverse[p]);
    for (int64_t c = 0; c < channels; c += 2 * kLanes) {
      const float* from = tile + p * plane + c;
      store_int16(to + p * to_plane + c * 2, L::load(from) * scale, L::load(from + kLanes) * scale);
    }
  }
}

GemmTileFunction product_tile(int64_t rows, int64_t width) {
  if constexpr (kIntegers) {
    return gemm_tile_int16(rows, width);
  } else {
    return gemm_tile_fp32(rows, width);
  }
}

}  // namespace

void winograd_input(const WinogradConv& conv, int64_t first, int64_t begin, int64_t end, const WinogradBlock& block,
                    float* planes) {
  const Source& s = conv.source;
  const int64_t plane = kIntegers ? conv.channel_plane() : conv.input_plane() / 4, stride = conv.input_stride();
  const bool prologue = s.prologue();
  const int64_t vectors = (s.channels + kLanes - 1) / kLanes;
  for (int64_t p = 0; kIntegers && vectors % 2 == 1 && p < kWinogradPositions; ++p) {
    L::store(planes + p * plane + vectors * kLanes, L::set(0.f));  // integers are rounded two vectors at a time
  }
  for (int64_t tile = begin; tile < end; ++tile) {
    const TilePosition at = locate_tile(conv, first + tile);
    const int64_t h = at.h + conv.origin_h, w = at.w + conv.origin_w;
    const bool inside = h >= 0 && w >= 0 && h + kIn <= s.h && w + kIn <= s.w;
    for (int64_t c = 0; c < s.channels; c += kLanes) {
      float* to = kIntegers ? planes + c : reinterpret_cast<float*>(block.input + tile * stride) + c;
      const bool whole = inside && s.argmax == nullptr && c + kLanes <= s.channels;
      const auto function = whole ? (prologue ? input_tile<true, true> : input_tile<true, false>)
                                  : (prologue ? input_tile<false, true> : input_tile<false, false>);
      function(s, at.n, h, w, c, to, plane);
    }
    if constexpr (kIntegers) {
      round_tile(planes, plane, s.channels, block.input + tile * stride, conv.input_plane(), block.row_scale + tile,
                 conv.block_tiles);
    }
  }
}

void winograd_products(const WinogradConv& conv, int64_t first, int64_t tiles, int64_t panel, int64_t panels,
                       int64_t begin, int64_t end, const WinogradBlock& block) {
  const PackedShape& shape = conv.shape;
  const int64_t stride = conv.input_stride(), row_tiles = (tiles + kTileRows - 1) / kTileRows;
  const int64_t next_first = first + tiles;
  const int64_t next_last = next_first + tiles < conv.tiles() ? next_first + tiles : conv.tiles();
  GemmTile t{};
  t.a_stride = stride;
  t.c_stride = conv.product_stride();
  const int64_t per_unit = shape.blocks() * row_tiles;
  AheadWalk ahead_input(panel == 0 ? next_tiles(conv, next_first, next_last) : Ahead{}, begin * per_unit,
                        kWinogradPositions * panels * per_unit);
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t position = unit / panels, local = unit % panels, width = shape.width(panel + local);
    const char* weights = static_cast<const char*>(conv.weights) + position * conv.position_bytes;
    const char* a = block.input + position * conv.input_plane();
    float* c = block.products + position * conv.product_plane() + local * kPanel;
    const char* next = static_cast<const char*>(conv.weights) + (unit + 1) / panels * conv.position_bytes +
                       shape.offset(0, panel + (unit + 1) % panels);
    for (int64_t slice = 0; slice < shape.blocks(); ++slice) {
      t.b = weights + shape.offset(slice, panel + local);
      t.k = shape.steps(slice);
      if constexpr (kIntegers) {
        t.column_scale = conv.column_scale + position * conv.columns_stride() + (panel + local) * kPanel;
      }
      const char* ahead = slice + 1 < shape.blocks() ? weights + shape.offset(slice + 1, panel + local) : next;
      for (int64_t i = 0, m0 = 0, m1 = 0; i < row_tiles; ++i, m0 = m1) {
        m1 = tiles * (i + 1) / row_tiles;
        t.a = a + m0 * stride + slice * shape.block * (kIntegers ? 2 : 4);
        if constexpr (kIntegers) t.row_scale = block.row_scale + position * conv.block_tiles + m0;
        t.c = c + m0 * t.c_stride;
        t.prefetch = ahead + i * t.k * (kAheadBytes / 4);
        ahead_input.assign(t);
        product_tile(m1 - m0, width)(t, slice > 0);
      }
    }
  }
}

// Asks for what the finish of one tile will read, a vector of channels.
void prefetch_tile(const WinogradConv& conv, const TilePosition& at, int64_t channel) {
  const int64_t rows = conv.out_h - at.h < kOut ? conv.out_h - at.h : kOut;
  const int64_t columns = conv.out_w - at.w < kOut ? conv.out_w - at.w : kOut;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t pixel = (at.n * conv.out_h + at.h + r) * conv.out_w + at.w;
    for (int64_t c = 0; c < columns; ++c) prefetch_finish(conv.finish, pixel + c, channel, kLanes);
  }
}

void winograd_output(const WinogradConv& conv, int64_t first, int64_t begin, int64_t end, int64_t panel,
                     int64_t panels, const float* products) {
  const auto function = finish_variant<OutputTile>(conv.finish.variant());
  const bool reads = !conv.pool && (conv.finish.mask != nullptr || conv.finish.residual != nullptr);
  const int64_t c0 = panel * kPanel;
  const int64_t c1 = conv.finish.channels < c0 + panels * kPanel ? conv.finish.channels : c0 + panels * kPanel;
  for (int64_t tile = begin; tile < end; ++tile) {
    const TilePosition at = locate_tile(conv, first + tile), next = locate_tile(conv, first + tile + 1);
    const bool inside = at.h + kOut <= conv.out_h && at.w + kOut <= conv.out_w;
    for (int64_t c = c0; c < c1; c += kLanes) {
      if (reads && tile + 1 < end) prefetch_tile(conv, next, c);
      function(conv, at, products + tile * conv.product_stride() + c - c0, c, inside);
    }
  }
}

}  // namespace nad::cpu::NAD_VECTOR
