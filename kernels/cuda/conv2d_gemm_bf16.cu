// The implicit GEMM on tensor cores: products of bf16 (source
// rounded to nearest on its way to shared memory), sums in fp32.
#include "kernels/cuda/conv2d_gemm_kernel.h"

namespace nad::cuda {

template <int Rows>
using Bf16Math = TensorMath<bf16, Rows>;

GemmRun gemm_bf16(GemmTile tile, Loads loads, const GemmProblem& problem) {
  return bind_any<Bf16Math, false, true>(tile, loads, problem);
}

}  // namespace nad::cuda
