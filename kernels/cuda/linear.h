// What the ways to multiply of a linear layer share: the product, its packed weights, its finish.
#pragma once

#include <type_traits>
#include <vector>

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
  std::vector<Weight> packed(p.weight->data.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const float value = p.weight->data[r * columns + c];
      Weight& to = packed[p.transposed ? c * rows + r : r * columns + c];
      if constexpr (std::is_same_v<Weight, float>) {
        to = value;
      } else {
        to = __float2bfloat16_rn(value);
      }
    }
  }
  Buffer buffer = planner.weights(packed.size() * sizeof(Weight));
  planner.context().backend().upload(buffer.get(), packed.data(), packed.size() * sizeof(Weight));
  return buffer;
}

// y (+)= epilogue(partial[0] + partial[1] + ...); partial: [splits, M, N]
void launch_linear_finish(const LinearFinish& finish, const Global<float>& partial, int splits, int64_t m, int64_t n,
                          cudaStream_t stream);

// By cuBLAS; empty where the backend has none.
Kernel linear_cublas(Planner& planner, const LinearProblem& problem);

}  // namespace nad::cuda
