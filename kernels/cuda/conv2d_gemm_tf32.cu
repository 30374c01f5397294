// The implicit GEMM on tensor cores: products of tf32 (10 bits of mantissa, rounded to nearest), sums in fp32.
#include "kernels/cuda/conv2d_gemm_kernel.h"

namespace nad::cuda {

template <int Rows>
using Tf32Math = TensorMath<float, Rows>;

GemmRun gemm_tf32(GemmTile tile, Loads loads, const GemmProblem& problem) {
  return bind_any<Tf32Math, true, true>(tile, loads, problem);
}

}  // namespace nad::cuda
