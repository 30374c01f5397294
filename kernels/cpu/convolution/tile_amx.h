// The bf16 register tile by AMX: tdpbf16ps multiplies 16 rows of A, 32 values each, with 32 values of 16 columns of
// B, and adds to 16 x 16 sums: 8192 products in 16 cycles.
//
//   C[r, c] = sum over k of A[r, k] * B[k, c]          r < 32, c < 32
//
// One tile of sums would load 2 KB per 16 cycles, all that L1 gives; 2 x 2 tiles load 4 KB per 64, and
// four sums in turn hide the 52 cycles that a product takes. Rows of A are packed 32 values at a time, filled up with
// zeros; B is packed [k / 2][width][2], which is the layout that the instruction wants: a row of a tile holds a pair
// of k of 16 columns. The instruction adds the products of even and of odd k apart, in order, and then both to the
// sum: an element does not depend on its place in the tile.
//
// The instructions are used by the names of <immintrin.h>, so that
// tests/amx_model/tiles.h can stand in for them on a processor without AMX.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/convolution/tile.h"

namespace nad::cpu {
namespace {

constexpr int64_t kAmxRows = 16;      // of a tile
constexpr int64_t kAmxRowBytes = 64;  // 32 values of A, 16 pairs of B, 16 sums
constexpr int64_t kAmxPairs = 16;     // of k, per instruction

// What vector_avx512.h says of its register tile.
constexpr int64_t kTileRows = 2 * kAmxRows;
constexpr int64_t kAheadBytes = 64;
constexpr bool kWholeTiles = true;  // a tile reads and writes up to 15 rows more than it is given

// What ldtilecfg reads: all eight tiles whole.
struct alignas(64) AmxConfig {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(AmxConfig) == 64);

// The tiles of the calling thread, as long as this lives. Given back so that a switch of threads need not save 8 KB.
class UnitsInUse {
 public:
  UnitsInUse() {
    static constexpr AmxConfig kConfig;
    _tile_loadconfig(&kConfig);
  }
  ~UnitsInUse() { _tile_release(); }
  UnitsInUse(const UnitsInUse&) = delete;
  UnitsInUse& operator=(const UnitsInUse&) = delete;
};

// Rows and Columns count tiles. Tile registers: 0 to 3 the sums, (row, column) = 2 row + column; 4, 5 A; 6, 7 B.
// PRECOND: a UnitsInUse lives; t.k is a multiple of 16 pairs; t.a and t.c have 16 Rows rows.
template <int Rows, int Columns>
void gemm_tile_amx(const GemmTile& t, bool accumulate) {
  const char* a = static_cast<const char*>(t.a);
  const char* b = static_cast<const char*>(t.b);
  char* c = reinterpret_cast<char*>(t.c);
  const int64_t a_below = kAmxRows * t.a_stride, b_stride = Columns * kAmxRowBytes, c_stride = t.c_stride * 4;
  char* c_below = c + kAmxRows * c_stride;
  if (accumulate) {
    _tile_loadd(0, c, c_stride);
    if constexpr (Columns == 2) _tile_loadd(1, c + kAmxRowBytes, c_stride);
    if constexpr (Rows == 2) _tile_loadd(2, c_below, c_stride);
    if constexpr (Rows == 2 && Columns == 2) _tile_loadd(3, c_below + kAmxRowBytes, c_stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const char* weights_ahead = static_cast<const char*>(t.prefetch);
  const char* input_ahead = t.ahead;
  int64_t input_lines = t.ahead_lines;
  // A quarter of what a step of 16 pairs fetches. Past the last line of input a line of B, which is in L1.
  const auto fetch = [&]() __attribute__((always_inline)) {
    _mm_prefetch(weights_ahead, _MM_HINT_T1);
    weights_ahead += kAheadBytes;
    for (int i = 0; i < 2; ++i) {
      _mm_prefetch(input_lines > 0 ? input_ahead : b, _MM_HINT_T1);
      input_ahead += t.ahead_step;
      --input_lines;
    }
  };
  for (int64_t k = t.k; k > 0; k -= kAmxPairs) {
    _tile_loadd(6, b, b_stride);
    _tile_loadd(4, a, t.a_stride);
    _tile_dpbf16ps(0, 4, 6);
    fetch();
    if constexpr (Columns == 2) {
      _tile_loadd(7, b + kAmxRowBytes, b_stride);
      _tile_dpbf16ps(1, 4, 7);
    }
    fetch();
    if constexpr (Rows == 2) {
      _tile_loadd(5, a + a_below, t.a_stride);
      _tile_dpbf16ps(2, 5, 6);
    }
    fetch();
    if constexpr (Rows == 2 && Columns == 2) _tile_dpbf16ps(3, 5, 7);
    fetch();
    a += kAmxRowBytes;
    b += kAmxPairs * b_stride;
  }
  _tile_stored(0, c, c_stride);
  if constexpr (Columns == 2) _tile_stored(1, c + kAmxRowBytes, c_stride);
  if constexpr (Rows == 2) _tile_stored(2, c_below, c_stride);
  if constexpr (Rows == 2 && Columns == 2) _tile_stored(3, c_below + kAmxRowBytes, c_stride);
}

// rows: 1 to 32; columns: 16 or 32.
GemmTileFunction gemm_tile_amx_of(int64_t rows, int64_t columns) {
  if (rows <= kAmxRows) return columns == 16 ? gemm_tile_amx<1, 1> : gemm_tile_amx<1, 2>;
  return columns == 16 ? gemm_tile_amx<2, 1> : gemm_tile_amx<2, 2>;
}

}  // namespace
}  // namespace nad::cpu
