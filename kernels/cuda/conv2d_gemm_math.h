// The products of the implicit GEMM: one warp multiplies a [Rows, K] piece of source' by a [K, 32] piece of the
// weights, both from shared memory, into registers. Three ways with one interface and one layout of shared memory.
//
// Layout: a tile has rows of 64 bytes, K contiguous: 16 floats or 32 bf16, four chunks of 16 bytes. Chunk j of row r
// lies at chunk j ^ (r/2 % 4) of the row (swizzle). Two rows fill the 32 banks once, and eight successive rows put
// any one chunk into eight different groups of four banks, so ldmatrix, 16-byte loads of successive rows and 16-byte
// stores of successive chunks are all free of bank conflicts without padding.
#pragma once

#include "kernels/cuda/convolution_finish.h"
#include "kernels/cuda/mma.h"

namespace nad::cuda {

constexpr int row_bytes = 64;
constexpr int row_chunks = 4;

template <class T>
constexpr int row_elements = row_bytes / static_cast<int>(sizeof(T));

// Element of chunk `chunk` of row `row` in a tile of T. The swizzle repeats after eight rows, so
// chunk_offset(8 * i + row, chunk) = 8 * i * row_elements + chunk_offset(row, chunk): write it so, and only the
// second part takes instructions.
template <class T>
__device__ inline int chunk_offset(int row, int chunk) {
  return row * row_elements<T> + (chunk ^ (row / 2 % row_chunks)) * static_cast<int>(16 / sizeof(T));
}

constexpr int warp_columns = 32;
constexpr int slice_rows = 16;
// Floats from one row of a slice to the next: 8 mod 32, so that the writes of both fragment layouts below hit
// different banks, and a multiple of 4, so that rows are read as float4.
constexpr int slice_stride = warp_columns + 8;

// CUDA cores, fp32. Lane (ly, lx) = (lane / 8, lane % 8) owns rows ly + 4*i and columns lx + 8*j: successive lanes
// read successive rows of both tiles. 12 16-byte loads feed 128 multiply-adds of a lane.
template <int Rows>
struct Fp32Math {
  using Element = float;
  static constexpr int row_count = Rows / 4;
  float sum[row_count][4] = {};

  // PRECOND: a and b begin at rows that are multiples of 8.
  __device__ void multiply(const Shared<const float>& a, const Shared<const float>& b) {
    const int ly = lane_index() / 8, lx = lane_index() % 8;
    NAD_UNROLL
    for (int chunk = 0; chunk < row_chunks; ++chunk) {
      float w[4][4];
      NAD_UNROLL
      for (int j = 0; j < 4; ++j) load_four(b, 8 * j * row_elements<float> + chunk_offset<float>(lx, chunk), w[j]);
      NAD_UNROLL
      for (int i = 0; i < row_count; ++i) {
        float x[4];
        load_four(a, i / 2 * 8 * row_elements<float> + chunk_offset<float>(ly + i % 2 * 4, chunk), x);
        NAD_UNROLL
        for (int k = 0; k < 4; ++k) {
          NAD_UNROLL
          for (int j = 0; j < 4; ++j) sum[i][j] = fmaf(x[k], w[j][k], sum[i][j]);
        }
      }
    }
  }
  // Rows 16*slice .. 16*slice+15 of the result to shared memory.
  __device__ void put_slice(int slice, const Shared<float>& out) const {
    const int ly = lane_index() / 8, lx = lane_index() % 8;
    NAD_UNROLL
    for (int i = 0; i < 4; ++i) {
      NAD_UNROLL
      for (int j = 0; j < 4; ++j) out[(ly + 4 * i) * slice_stride + lx + 8 * j] = sum[4 * slice + i][j];
    }
  }

 private:
  __device__ static void load_four(const Shared<const float>& x, int i, float (&v)[4]) {
    const float4 q = load<float4>(x, i);
    v[0] = q.x, v[1] = q.y, v[2] = q.z, v[3] = q.w;
  }
};

// Tensor cores. A 32-byte half of a row is the depth of one mma: 16 bf16 or 8
// tf32. ldmatrix moves 16-bit data, but its four bytes per lane and row are also
// exactly one tf32 of the fragment, so both types share addresses and layout.
template <class T, int Rows>
struct TensorMath {
  using Element = T;
  static constexpr int row_tiles = Rows / 16, column_tiles = warp_columns / 8;
  float sum[row_tiles][column_tiles][4] = {};

  // PRECOND: a and b begin at rows that are multiples of 8.
  __device__ void multiply(const Shared<const T>& a, const Shared<const T>& b) {
    const int lane = lane_index();
    NAD_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int a_offset = chunk_offset<T>(lane % 16, 2 * half + lane / 16);
      const int b_offset = chunk_offset<T>(lane % 8 + lane / 16 * 8, 2 * half + lane / 8 % 2);
      uint32_t w[column_tiles][2];
      NAD_UNROLL
      for (int j = 0; j < column_tiles; j += 2) {  // matrices: columns 0-7 and 8-15 of the pair, each low and high K
        uint32_t r[4];
        load_matrices(b, b_offset + 8 * j * row_elements<T>, r);
        w[j][0] = r[0], w[j][1] = r[1], w[j + 1][0] = r[2], w[j + 1][1] = r[3];
      }
      NAD_UNROLL
      for (int i = 0; i < row_tiles; ++i) {  // matrices: rows 0-7 and 8-15 of low K, then of high K
        uint32_t x[4];
        load_matrices(a, a_offset + 16 * i * row_elements<T>, x);
        if constexpr (sizeof(T) == 4) {
          NAD_UNROLL
          for (int k = 0; k < 4; ++k) x[k] = to_tf32(__uint_as_float(x[k]));
        }
        NAD_UNROLL
        for (int j = 0; j < column_tiles; ++j) multiply_tile(sum[i][j], x, w[j]);
      }
    }
  }
  __device__ void put_slice(int slice, const Shared<float>& out) const {
    const int g = lane_index() / 4, t = lane_index() % 4;
    NAD_UNROLL
    for (int j = 0; j < column_tiles; ++j) {
      const float(&d)[4] = sum[slice][j];
      store(out, g * slice_stride + 8 * j + 2 * t, make_float2(d[0], d[1]));
      store(out, (g + 8) * slice_stride + 8 * j + 2 * t, make_float2(d[2], d[3]));
    }
  }

 private:
  // i counts T, ldmatrix 16-bit data.
  __device__ static void load_matrices(const Shared<const T>& tile, int i, uint32_t (&r)[4]) {
    ldmatrix_x4(view_as<const uint16_t>(tile), i * static_cast<int>(sizeof(T) / 2), r);
  }
  __device__ static void multiply_tile(float (&d)[4], const uint32_t (&x)[4], const uint32_t (&w)[2]) {
    if constexpr (sizeof(T) == 4) {
      mma_m16n8k8_tf32(d, x, w);
    } else {
      mma_m16n8k16_bf16(d, x, w);
    }
  }
};

}  // namespace nad::cuda
