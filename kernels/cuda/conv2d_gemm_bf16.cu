// The implicit GEMM on tensor cores: products of bf16 (source rounded to nearest on its way to shared memory), sums
// in fp32.
#include "kernels/cuda/conv2d_gemm_kernel.h"

namespace nad::cuda {
namespace {

template <class Tile>
GemmRun bind_tile(Loads loads, const GemmProblem& problem) {
  using Math = TensorMath<bf16, Tile::WarpRows>;
  if (loads == Loads::vectors) return bind_gemm<Math, Tile, Loads::vectors>(problem);
  if constexpr (Tile::BlockRows == 128 && Tile::BlockColumns == 64) {
    if (loads == Loads::scalars) return bind_gemm<Math, Tile, Loads::scalars>(problem);
  }
  return {};
}

}  // namespace

GemmRun gemm_bf16(GemmTile tile, Loads loads, const GemmProblem& problem) {
  switch (tile) {
    case GemmTile::m128n128:
      return bind_tile<Tile<128, 128, 64>>(loads, problem);
    case GemmTile::m128n64:
      return bind_tile<Tile<128, 64, 32>>(loads, problem);
    case GemmTile::m64n64:
      return bind_tile<Tile<64, 64, 32>>(loads, problem);
    case GemmTile::m128n32:
      return bind_tile<Tile<128, 32, 32>>(loads, problem);
    default:
      return {};
  }
}

}  // namespace nad::cuda
