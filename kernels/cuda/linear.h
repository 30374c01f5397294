// What the ways to multiply of a linear layer share: the product, its packed weights, its finish.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "engine/parallel.h"
#include "kernels/cuda/arguments.h"

namespace nad::cuda {

// The result's side.
struct LinearFinish {
  EpilogueParams params;  // keeps what `epilogue` points to
  DeviceEpilogue epilogue;
  bool add = false, four = false;
  Global<float> y;  // [M, N]
};

// y (+)= epilogue(C),  C[m, n] = sum_k A[m, k] * B[n, k]
struct LinearProblem {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;            // [M, K]
  const HostTensor* weight = nullptr;  // B [N, K], or [K, N] where transposed (to the data)
  bool transposed = false;
  LinearFinish finish;
};

// As __float2bfloat16_rn does, in a form that the host's compiler turns into vectors.
template <class Weight>
Weight round_weight(float value) {
  if constexpr (std::is_same_v<Weight, float>) {
    return value;
  } else {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t nearest = bits + 0x7fff + (bits >> 16 & 1);  // ties to even
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    return std::bit_cast<Weight>(static_cast<uint16_t>((nan ? 0x7fff0000 : nearest) >> 16));
  }
}

// to[c, r] = from[r, c] of a [rows, columns] matrix, for the columns [first, last), at most kTurned of them. By way of a
// tile in L1: rows of large matrices lie so far apart that walking down a column throws its lines out again.
inline constexpr int64_t kTurned = 64;
template <class Weight>
void turn_columns(const float* from, int64_t rows, int64_t columns, int64_t first, int64_t last, Weight* to) {
  Weight tile[kTurned][kTurned];  // [row, column]
  for (int64_t top = 0; top < rows; top += kTurned) {
    const int64_t height = std::min(kTurned, rows - top);
    for (int64_t r = 0; r < height; ++r) {
      const float* row = from + (top + r) * columns + first;
      for (int64_t c = 0; c < last - first; ++c) tile[r][c] = round_weight<Weight>(row[c]);
    }
    for (int64_t c = first; c < last; ++c) {
      for (int64_t r = 0; r < height; ++r) to[c * rows + top + r] = tile[r][c - first];
    }
  }
}

// B as [N, K] of float or bf16.
template <class Weight>
Buffer upload_linear_weight(Planner& planner, const LinearProblem& p) {
  const int64_t rows = p.weight->shape[0], columns = p.weight->shape[1];
  const float* from = p.weight->data.data();
  const std::unique_ptr<Weight[]> packed(new Weight[p.weight->data.size()]);
  if (p.transposed) {
    parallel_each((columns + kTurned - 1) / kTurned, [&](int64_t i, int) {
      const int64_t first = i * kTurned;
      turn_columns(from, rows, columns, first, std::min(first + kTurned, columns), packed.get());
    });
  } else {
    parallel_for(rows * columns, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) packed[i] = round_weight<Weight>(from[i]);
    });
  }
  return planner.upload_weights(packed.get(), p.weight->data.size() * sizeof(Weight));
}

// y (+)= epilogue(partial[0] + partial[1] + ...); partial: [splits, M, N]
void launch_linear_finish(const LinearFinish& finish, const Global<float>& partial, int splits, int64_t m, int64_t n,
                          cudaStream_t stream);

// By cuBLAS; empty where the backend has none.
Kernel linear_cublas(Planner& planner, const LinearProblem& problem);

}  // namespace nad::cuda
