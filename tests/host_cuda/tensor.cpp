// The fragment layouts of kernels/cuda/mma.h: g = lane / 4, t = lane % 4.
#include "host_cuda/tensor.h"

#include <bit>

namespace host_cuda {

namespace {

float bf16_half(uint32_t bits, int upper) { return std::bit_cast<float>(upper ? bits & 0xffff0000u : bits << 16); }

// d += a b for the whole warp: d of lane l is elements (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1).
template <int K>
void multiply(Warp& warp, const float (&a)[16][K], const float (&b)[K][8]) {
  for (int lane = 0; lane < 32; ++lane) {
    float* d = static_cast<MmaArguments*>(warp.arguments[lane])->d;
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      double sum = d[i];
      for (int k = 0; k < K; ++k) sum += double{a[row][k]} * b[k][column];
      d[i] = static_cast<float>(sum);
    }
  }
}

void resolve_matrices(Warp& warp, bool transposed) {
  const auto row = [&](int matrix, int r) {
    return static_cast<MatrixArguments*>(warp.arguments[8 * matrix + r])->row;
  };
  for (int lane = 0; lane < 32; ++lane) {
    uint32_t* r = static_cast<MatrixArguments*>(warp.arguments[lane])->r;
    const int g = lane / 4, t = lane % 4;
    for (int m = 0; m < 4; ++m) {
      const uint32_t low = transposed ? row(m, 2 * t)[g] : row(m, g)[2 * t];
      const uint32_t high = transposed ? row(m, 2 * t + 1)[g] : row(m, g)[2 * t + 1];
      r[m] = high << 16 | low;
    }
  }
}

}  // namespace

void resolve_mma_bf16(Warp& warp) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto* x = static_cast<const MmaArguments*>(warp.arguments[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      a[g][2 * t + half] = bf16_half(x->a[0], half);
      a[g + 8][2 * t + half] = bf16_half(x->a[1], half);
      a[g][2 * t + 8 + half] = bf16_half(x->a[2], half);
      a[g + 8][2 * t + 8 + half] = bf16_half(x->a[3], half);
      b[2 * t + half][g] = bf16_half(x->b[0], half);
      b[2 * t + 8 + half][g] = bf16_half(x->b[1], half);
    }
  }
  multiply<16>(warp, a, b);
}

void resolve_mma_tf32(Warp& warp) {
  const auto value = [](uint32_t bits) { return std::bit_cast<float>(bits & ~0x1fffu); };
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto* x = static_cast<const MmaArguments*>(warp.arguments[lane]);
    const int g = lane / 4, t = lane % 4;
    a[g][t] = value(x->a[0]);
    a[g + 8][t] = value(x->a[1]);
    a[g][t + 4] = value(x->a[2]);
    a[g + 8][t + 4] = value(x->a[3]);
    b[t][g] = value(x->b[0]);
    b[t + 4][g] = value(x->b[1]);
  }
  multiply<8>(warp, a, b);
}

void resolve_ldmatrix(Warp& warp) { resolve_matrices(warp, false); }
void resolve_ldmatrix_trans(Warp& warp) { resolve_matrices(warp, true); }

uint32_t to_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;  // infinity and NaN stay
  return (bits + 0x1000u) & ~0x1fffu;
}

}  // namespace host_cuda
