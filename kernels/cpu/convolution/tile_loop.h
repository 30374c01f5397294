// The inner loop of every hand-written convolution: a register tile of C (+)= A B.
//
//   C[r, c] = sum over k of A[r, k] * B[k, c]          r < R <= kTileRows, c < V <= 2 vectors
//
// One row at a time would read B once per row: 3 loads per 2 products. A tile of R rows reads each vector of B once
// per R rows and each value of A once per V vectors: with AVX-512 at 14 x 32, 16 loads per 28 products, with AVX2 at
// 6 x 16, 8 per 12, so that the two product units are the limit and not the load ports. All
// sums, 2 vectors of B and 1 value of A take all registers but one. B is packed [k][V vectors]; the rows of A lie
// a_stride bytes apart, packed or in the tensor itself.
//
// Every element is one chain of products in the order of k, whatever R is: its value does not depend on the tile.
// Sums of integers (Product::kScaled) are exact and become floats when the tile ends.
#pragma once

#include <utility>

#include "kernels/cpu/convolution/tile.h"

namespace nad::cpu {
namespace {

constexpr int kBytes = sizeof(Vector);

// Row r of A is base[r / 4] + (r % 4) * stride: four pointers and two strides stay in registers, fourteen would not.
template <int R>
struct RowPointers {
  const char* base[(R + 3) / 4];
  int64_t stride, stride3;

  RowPointers(const void* a, int64_t row_stride) : stride(row_stride), stride3(3 * row_stride) {
    for (int g = 0; g < (R + 3) / 4; ++g) base[g] = static_cast<const char*>(a) + 4 * g * row_stride;
  }
  const char* row(int r) const {
    const char* p = base[r / 4];
    return r % 4 == 0 ? p : r % 4 == 1 ? p + stride : r % 4 == 2 ? p + 2 * stride : p + stride3;
  }
  void advance(int64_t bytes) {
#pragma GCC unroll 4
    for (int g = 0; g < (R + 3) / 4; ++g) {
      base[g] += bytes;
      asm("" : "+r"(base[g]));  // keeps the compiler from rewriting this as fourteen pointers on the stack
    }
  }
};

// Sums of integers begin with 0 and are added to what C holds when the tile ends.
template <class Product, int R, int V>
NAD_INLINE void begin_sums(const GemmTile& t, bool accumulate, typename Product::Operand (&acc)[R][V]) {
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      if constexpr (Product::kScaled) {
        acc[r][v] = typename Product::Operand{};
      } else {
        acc[r][v] = accumulate ? L::load(t.c + r * t.c_stride + kLanes * v) : L::set(0.f);
      }
    }
  }
}

template <class Product, int R, int V>
NAD_INLINE void store_sums(const GemmTile& t, bool accumulate, const typename Product::Operand (&acc)[R][V]) {
  [[maybe_unused]] Vector scale[V];
  if constexpr (Product::kScaled) {
    for (int v = 0; v < V; ++v) scale[v] = L::load(t.column_scale + kLanes * v);
  }
#pragma GCC unroll 14
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      float* c = t.c + r * t.c_stride + kLanes * v;
      if constexpr (Product::kScaled) {
        const Vector sum = L::to_float(acc[r][v]) * (L::set(t.row_scale[r]) * scale[v]);
        L::store(c, accumulate ? L::load(c) + sum : sum);
      } else {
        L::store(c, acc[r][v]);
      }
    }
  }
}

template <class Product, int R, int V>
void gemm_tile(const GemmTile& t, bool accumulate) {
  using Operand = typename Product::Operand;
  Operand acc[R][V];
  begin_sums<Product, R, V>(t, accumulate, acc);
  RowPointers<R> a(t.a, t.a_stride);
  const char* b = static_cast<const char*>(t.b);
  const char* weights_ahead = static_cast<const char*>(t.prefetch);
  const char* input_ahead = t.ahead;
  int64_t input_lines = t.ahead_lines;
  // Past the last line a line of B, which is in L1: to ask again for one that is still on its way costs time.
  const auto fetch_input = [&]() __attribute__((always_inline)) {
    _mm_prefetch(input_lines > 0 ? input_ahead : b, _MM_HINT_T1);
    input_ahead += t.ahead_step;
    --input_lines;
  };

  const auto step = [&](int u) __attribute__((always_inline)) {
    Operand bv[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) bv[v] = Product::load(b + (u * V + v) * kBytes);
#pragma GCC unroll 14
    for (int r = 0; r < R; ++r) {
      const Operand av = Product::broadcast(a.row(r) + 4 * u);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) acc[r][v] = Product::multiply_add(av, bv[v], acc[r][v]);
    }
  };
  int64_t k = t.k;
  for (; k >= 4; k -= 4) {
    _mm_prefetch(weights_ahead, _MM_HINT_T1);
    weights_ahead += kAheadBytes;
    step(0);
    fetch_input();
    step(1);
    if constexpr (Product::kPairs) fetch_input();
    step(2);
    fetch_input();
    step(3);
    if constexpr (Product::kPairs) fetch_input();
    a.advance(16);
    b += 4 * V * kBytes;
  }
  for (; k > 0; --k) {
    step(0);
    a.advance(4);
    b += V * kBytes;
  }
  store_sums<Product, R, V>(t, accumulate, acc);
}

struct GemmTiles {
  GemmTileFunction of_rows[kTileRows];
};
template <class Product, int V, size_t... R>
constexpr GemmTiles gemm_tiles(std::index_sequence<R...>) {
  return {{gemm_tile<Product, static_cast<int>(R) + 1, V>...}};
}

// rows: 1 .. kTileRows; width: of one or two vectors.
template <class Product>
GemmTileFunction gemm_tile_of(int64_t rows, int64_t width) {
  static constexpr GemmTiles kNarrow = gemm_tiles<Product, 1>(std::make_index_sequence<kTileRows>());
  static constexpr GemmTiles kWide = gemm_tiles<Product, 2>(std::make_index_sequence<kTileRows>());
  return (width == kLanes ? kNarrow : kWide).of_rows[rows - 1];
}

}  // namespace
}  // namespace nad::cpu
