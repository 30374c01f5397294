// What the hand-written convolutions and their planning share: plain data, pointers and sizes.
// Files named *_avx512.cpp, *_avx2.cpp and *_amx.cpp compile the same blocks (gemm_block.h, winograd_block.h) for
// one instruction set each; they are called only where the processor has it, through ConvIsa.
#pragma once

#include <cstdint>

#include "kernels/cpu/convolution/tile.h"
#include "kernels/epilogue.h"

namespace nad::cpu {

// What happens to a sum before it is stored (kernels/epilogue.h). Forward the scale is folded into the weights and
// `scale` is null; to the data the prologue's scale is folded in too, and `scale` is there for the mask. `shift` is
// never null; the vectors can be read up to the next multiple of 16 channels.
struct Finish : FinishFields<HostPointer> {
  float* y = nullptr;
  int64_t y_stride = 0;  // floats from pixel to pixel
  int64_t channels = 0;
  float floor = 0;      // 0 with a ReLU, else -infinity
  bool stream = false;  // y is larger than the caches: its lines go to memory without being read first

  // Selects one of the compiled variants.
  [[gnu::always_inline]] int variant() const {
    return (mask != nullptr ? 1 : 0) + (residual != nullptr ? 2 : 0) + (gate != nullptr ? 4 : 0) + (stream ? 8 : 0);
  }
};

// How the input is read: x' = max(scale * x + shift, floor); scale and shift are readable up to the next multiple of
// 16 channels, or both null: x' = x.
struct Source {
  const float* x = nullptr;
  int64_t stride = 0;  // floats from pixel to pixel
  int64_t h = 0, w = 0, channels = 0;
  const float* scale = nullptr;
  const float* shift = nullptr;
  float floor = 0;  // 0 or -infinity
  // x has half the height and width, and a pixel is that of its 2x2 window which this byte names: [pixel of x][C]
  const uint8_t* argmax = nullptr;
  [[gnu::always_inline]] bool prologue() const { return scale != nullptr; }
};

// Taps that lie side by side in memory: `count` input pixels from (dh, dw), as `count * channels` rows of B.
struct TapRun {
  int64_t dh = 0, dw = 0, count = 1;
};

// One implicit GEMM. Row m of A is output position (n, r, c) of a grid; it reads input pixels
// (r * step_h + dh, c * step_w + dw) and writes output pixel (out_h0 + r * out_step_h, out_w0 + c * out_step_w).
// A forward convolution is one of these, a backward one with stride s is s * s (one per phase of dx).
struct GemmConv {
  Source source;
  int64_t samples = 0, grid_h = 0, grid_w = 0;
  int64_t step_h = 1, step_w = 1;
  const TapRun* runs = nullptr;
  int64_t run_count = 0;
  PackedShape shape;
  const void* weights = nullptr;
  int64_t out_h = 0, out_w = 0;  // of y
  int64_t out_h0 = 0, out_w0 = 0, out_step_h = 1, out_step_w = 1;
  Finish finish;
  bool direct = false;  // row m of A is pixel m of x: nothing to pack
  int64_t block_rows = 0;
  int64_t block_panels = 0;
  [[gnu::always_inline]] int64_t rows() const { return samples * grid_h * grid_w; }
};

// Winograd F(4x4, 3x3): input transform, products, output transform of a range of tiles (winograd.cpp).
inline constexpr int64_t kWinogradTile = 4, kWinogradInput = 6, kWinogradPositions = 36;
struct WinogradConv {
  Source source;
  int64_t origin_h = -1, origin_w = -1;  // input pixel of output (0, 0)'s first tap
  int64_t samples = 0, out_h = 0, out_w = 0;
  int64_t tiles_h = 0, tiles_w = 0;
  PackedShape shape;              // of one position's weights
  const void* weights = nullptr;  // [36] packed
  int64_t position_bytes = 0;
  Finish finish;
  int64_t block_tiles = 0;              // tiles transformed together
  int64_t block_panels = 0;             // panels of products kept at a time
  const float* column_scale = nullptr;  // of integers: [36][panels of columns]
  bool pool = false;                    // y is the maximum of 2x2 outputs; it has (out_h / 2) x (out_w / 2) pixels
  uint8_t* argmax = nullptr;            // where it was, as a byte beside every value of y, or null
  [[gnu::always_inline]] int64_t tiles() const { return samples * tiles_h * tiles_w; }
  // Distances in bytes; the odd cache line keeps 36 streams from falling into the same cache set.
  [[gnu::always_inline]] int64_t input_stride() const { return (shape.k * (shape.narrow ? 2 : 4) + 63) / 64 * 64; }
  [[gnu::always_inline]] int64_t input_plane() const { return block_tiles * input_stride() + 64; }
  // and in floats.
  [[gnu::always_inline]] int64_t product_stride() const { return block_panels * shape.panel_columns(); }
  [[gnu::always_inline]] int64_t product_plane() const { return block_tiles * product_stride() + 16; }
  [[gnu::always_inline]] int64_t channel_plane() const { return (shape.k + 31) / 32 * 32 + 16; }
  [[gnu::always_inline]] int64_t columns_stride() const { return shape.panels() * shape.panel_columns(); }
};

// Memory of one block of tiles.
struct WinogradBlock {
  char* input;       // [36][tile][channel], transformed
  float* products;   // [36][tile][column]
  float* row_scale;  // of integers: [36][tile]
};

// How an implicit GEMM is cut.
struct GemmBlocking {
  int64_t tile_rows;      // rows (pixels) of a register tile
  int64_t block_rows;     // rows of A packed together
  int64_t longest_slice;  // bytes of a row of A (values of k) that are multiplied at once
  int64_t slice;          // where k must be cut
  int64_t slab_slice;     // of slices of a slab: with fewer tiles than lines of a row nothing is fetched ahead
  int64_t block_columns;  // their sums stay in L2 from slice to slice
  int64_t group;          // PackedShape::group
  int64_t gain;           // products in the time of one of fp32
};
inline constexpr int64_t kAllColumns = int64_t{1} << 40;
// A block of A is about 170 KB, with its sums beside it, and a panel of B at most 64 KB.
inline constexpr GemmBlocking kAvx512Blocking = {14, 112, 2048, 1536, 2048, kAllColumns, 1, 1};
inline constexpr GemmBlocking kAvx512NarrowBlocking = {14, 112, 2048, 1536, 1024, kAllColumns, 2, 2};
inline constexpr GemmBlocking kAvx2Blocking = {6, 108, 2048, 1536, 2048, kAllColumns, 1, 1};
// Reckoned, not measured. A panel of B and the 32 rows of A that it meets, 16 KB each, share L1. With 256 rows
// weights come from beyond L2 at 4 bytes a cycle; their sums, 512 KB, and A, 144 KB, lie in an L2 of 2 MB.
inline constexpr GemmBlocking kAmxBlocking = {32, 256, 512, 512, 512, 512, 32, 16};

// Winograd's phases on a block of tiles that begins with tile `first` of the convolution.
struct WinogradIsa {
  int64_t gain;  // products in the time of one of fp32: 1, or 2 of integers
  // Tiles first + [begin, end): input and row_scale. tile: 36 channel planes of the calling thread, for integers.
  void (*input)(const WinogradConv& conv, int64_t first, int64_t begin, int64_t end, const WinogradBlock& block,
                float* tile);
  // Products for unit in [begin, end): unit = position * panels in the group + panel.
  void (*products)(const WinogradConv& conv, int64_t first, int64_t tiles, int64_t panel, int64_t panels,
                   int64_t begin, int64_t end, const WinogradBlock& block);
  void (*output)(const WinogradConv& conv, int64_t first, int64_t begin, int64_t end, int64_t panel, int64_t panels,
                 const float* products);
};

// The blocks in one instruction set.
struct ConvIsa {
  int64_t lane_bits;  // 1 << lane_bits floats are a vector
  GemmBlocking gemm;
  // Rows [begin, end) x panels [first, last) of one convolution. end - begin <= block_rows; scratch: gemm_scratch().
  void (*gemm_block)(const GemmConv& conv, int64_t begin, int64_t end, int64_t first, int64_t last, void* scratch);
  int64_t (*gemm_scratch)(const GemmConv& conv);  // bytes per thread

  WinogradIsa winograd;
};

#define NAD_CONV_BLOCKS                                                                                 \
  void gemm_block(const GemmConv&, int64_t, int64_t, int64_t, int64_t, void*);                          \
  int64_t gemm_scratch(const GemmConv&);                                                                \
  void winograd_input(const WinogradConv&, int64_t, int64_t, int64_t, const WinogradBlock&, float*);    \
  void winograd_products(const WinogradConv&, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,     \
                         const WinogradBlock&);                                                         \
  void winograd_output(const WinogradConv&, int64_t, int64_t, int64_t, int64_t, int64_t, const float*); \
  GemmTileFunction gemm_tile_fp32(int64_t rows, int64_t width);                                         \
  GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width);                                         \
  GemmTileFunction gemm_tile_int16(int64_t rows, int64_t width);

namespace avx512 {
NAD_CONV_BLOCKS
}
namespace avx512narrow {  // products of bf16, and of integers in Winograd's transforms
NAD_CONV_BLOCKS
}
namespace avx2 {
NAD_CONV_BLOCKS
}
namespace avx2narrow {  // Winograd's with integers alone
NAD_CONV_BLOCKS
}
namespace amx {  // gemm_* in bf16 alone
NAD_CONV_BLOCKS
}
#undef NAD_CONV_BLOCKS

// Of this processor; null: convolutions go by_sample. bf16: for products of bf16, see bf16_products().
const ConvIsa* conv_isa(bool bf16 = false);

}  // namespace nad::cpu
