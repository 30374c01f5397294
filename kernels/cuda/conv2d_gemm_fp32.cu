// The implicit GEMM on CUDA cores: fp32 products and sums.
#include "kernels/cuda/conv2d_gemm_kernel.h"

namespace nad::cuda {

GemmRun gemm_fp32(GemmTile tile, Loads loads, const GemmProblem& problem) {
  return bind_any<Fp32Math, true, false>(tile, loads, problem);
}

}  // namespace nad::cuda
