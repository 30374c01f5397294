// The register tile of the hand-written convolutions and the layout of its right-hand side (packed weights).
// Plain data only, and member functions are always inlined: a linker that merged a copy compiled for one instruction
// set with the other copies would break the program on processors without it.
#pragma once

#include <cstdint>

namespace nad::cpu {

// C[rows, width] (+)= A[rows, k] * B[k, width]. Tiles of AMX read and write 16 or 32 rows, whatever `rows` is.
// Products of integers are scaled back: sum * row_scale[row] * column_scale[column].
struct GemmTile {
  const void* a;         // rows of float, of bf16 or of int16
  int64_t a_stride;      // bytes from row to row
  const void* b;         // [k][width] float, or [k][width][2] of 16 bits; 64-byte aligned
  int64_t k;             // products per element: floats, or pairs of 16 bits
  float* c;              // [rows][c_stride]
  int64_t c_stride;      // floats from row to row
  const void* prefetch;  // the next weights: k / 4 * kAheadBytes from here are fetched into L2 meanwhile
  const char* ahead;     // and ahead_lines lines of the next input, at most k / 2 (k of pairs)
  int64_t ahead_step;    // bytes from one of these lines to the next
  int64_t ahead_lines;
  const float* row_scale;     // of integers
  const float* column_scale;  // a whole vector can be read
};
using GemmTileFunction = void (*)(const GemmTile&, bool accumulate);

// B is cut into blocks of k, each of which holds its panels one after the other: [block][panel][k][width].
// Narrow: k counts pairs; the last values of a block are filled up with 0 to a whole group. A panel is two vectors of
// columns wide, a narrow last one one vector.
struct PackedShape {
  int64_t k = 0;          // values (not pairs)
  int64_t columns = 0;    // output channels
  int64_t block = 0;      // values of k in a block (the last may be shorter); a multiple of group
  bool narrow = false;    // values of 16 bits: bf16, or int16 in Winograd's products
  int64_t lane_bits = 4;  // 1 << lane_bits columns are a vector
  int64_t group = 1;      // values of k that are multiplied at once: 1 in fp32, else 2 or 32

  [[gnu::always_inline]] int64_t blocks() const { return k == 0 ? 0 : (k + block - 1) / block; }
  [[gnu::always_inline]] int64_t block_length(int64_t i) const { return i + 1 < blocks() ? block : k - i * block; }
  [[gnu::always_inline]] int64_t steps(int64_t i) const {
    return (block_length(i) + group - 1) / group * group / (narrow ? 2 : 1);
  }
  [[gnu::always_inline]] int64_t padded_columns() const {
    return (columns + (int64_t{1} << lane_bits) - 1) >> lane_bits << lane_bits;
  }
  [[gnu::always_inline]] int64_t panel_columns() const { return int64_t{2} << lane_bits; }
  [[gnu::always_inline]] int64_t panels() const { return (columns + panel_columns() - 1) >> (lane_bits + 1); }
  [[gnu::always_inline]] int64_t width(int64_t panel) const {
    const int64_t rest = padded_columns() - panel * panel_columns();
    return rest < panel_columns() ? rest : panel_columns();
  }
  // Where a panel of a block begins, in bytes.
  [[gnu::always_inline]] int64_t offset(int64_t i, int64_t panel) const {
    const int64_t block_steps = narrow ? block / 2 : block;
    return (i * block_steps * padded_columns() + steps(i) * panel * panel_columns()) * 4;
  }
  [[gnu::always_inline]] int64_t bytes() const {
    return (blocks() == 0 ? 0 : offset(blocks() - 1, 0) + steps(blocks() - 1) * padded_columns() * 4) + 256;
  }
};

}  // namespace nad::cpu
