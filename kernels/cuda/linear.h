// What the ways to multiply of a linear layer share: the product, its packed weights, its finish.
#pragma once

#include <algorithm>
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

// B as [N, K] of float or bf16.
template <class Weight>
Buffer upload_linear_weight(Planner& planner, const LinearProblem& p) {
  const int64_t rows = p.weight->shape[0], columns = p.weight->shape[1];
  const std::unique_ptr<Weight[]> packed(new Weight[p.weight->data.size()]);
  const auto put = [&](int64_t r, int64_t c) {
    const float value = p.weight->data[static_cast<size_t>(r * columns + c)];
    Weight& to = packed[static_cast<size_t>(p.transposed ? c * rows + r : r * columns + c)];
    if constexpr (std::is_same_v<Weight, float>) {
      to = value;
    } else {
      to = __float2bfloat16_rn(value);
    }
  };
  if (p.transposed) {
    constexpr int64_t block = 64;  // rows at a time: their lines stay in L1 from one column to the next
    parallel_for(columns, [&](int64_t begin, int64_t end, int) {
      for (int64_t first = 0; first < rows; first += block) {
        for (int64_t c = begin; c < end; ++c) {
          for (int64_t r = first; r < std::min(first + block, rows); ++r) put(r, c);
        }
      }
    });
  } else {
    parallel_for(rows, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r) {
        for (int64_t c = 0; c < columns; ++c) put(r, c);
      }
    });
  }
  const size_t bytes = p.weight->data.size() * sizeof(Weight);
  Buffer buffer = planner.weights(bytes);
  planner.context().backend().upload(buffer.get(), packed.get(), bytes);
  return planner.share(std::move(buffer), bytes);
}

// y (+)= epilogue(partial[0] + partial[1] + ...); partial: [splits, M, N]
void launch_linear_finish(const LinearFinish& finish, const Global<float>& partial, int splits, int64_t m, int64_t n,
                          cudaStream_t stream);

// By cuBLAS; empty where the backend has none.
Kernel linear_cublas(Planner& planner, const LinearProblem& problem);

}  // namespace nad::cuda
