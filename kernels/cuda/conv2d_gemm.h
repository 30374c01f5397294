// The implicit GEMM's parts: what planning (conv2d_gemm.cpp) hands to the kernels, which
// conv2d_gemm_{fp32,tf32,bf16}.cu instantiate from one template (conv2d_gemm_kernel.h), a file per precision.
#pragma once

#include <functional>

#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/tap_sum.h"

namespace nad::cuda {

// How a source reaches shared memory.
enum class Loads : uint8_t {
  copies,   // cp.async; no prologue, no conversion, whole chunks
  vectors,  // through registers, whole chunks
  scalars,  // through registers, element by element: any channel count and alignment
};

struct GemmArgs {
  Source source;
  Finish finish;
  Gather gathers[max_gathers];  // blockIdx.z
  int column_tiles = 0;
  int padded_channels = 0;  // target channels, rounded up to whole tiles
};

struct GemmProblem {
  GemmArgs args;
  int gathers = 1;
  int rows = 0;                  // of the largest gather
  const void* weight = nullptr;  // device memory: float, or bf16 with --precision bf16
  int64_t weight_count = 0;      // elements
  int padded_channels() const { return args.padded_channels; }
};

// Rows of the matrix are positions in order. With a tap every 16 rows are 8 positions of the first half of the batch
// and the same 8 of the second, so that the thread which finishes a value of the second has finished its counterpart.
constexpr int paired_rows = 8;
NAD_HOST_DEVICE inline int gemm_rows(const Gather& g) {
  return g.pairs ? (g.pairs + paired_rows - 1) / paired_rows * 2 * paired_rows : g.positions;
}

// tap: Finish::tap of this run.
using GemmRun = std::function<void(cudaStream_t, const Global<float>& tap)>;

// Empty where this precision has no such kernel. Loads::scalars has m128n64 only.
GemmRun gemm_fp32(GemmTile tile, Loads loads, const GemmProblem& problem);  // m128n64, m64n64, m128n32
GemmRun gemm_tf32(GemmTile tile, Loads loads, const GemmProblem& problem);
GemmRun gemm_bf16(GemmTile tile, Loads loads, const GemmProblem& problem);  // no Loads::copies: the source is fp32

}  // namespace nad::cuda
