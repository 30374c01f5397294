// The rungs on a GPU. A program built without CUDA has none. So far they have run on the model of a GPU: their results are
// checked, their times are not measured.
#pragma once

#include "bench/ladder/ladder.h"

namespace nad::ladder {

#ifdef NAD_CUDA
// PRECOND: the planner's backend is a CUDA device.
Kernel conv2d_cuda_naive(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_cuda_tiled(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_cuda_tensor(Planner& planner, const Conv2dArgs& args);

inline std::vector<Rung> cuda_rungs() {
  return {{"naive", "a thread an output", conv2d_cuda_naive, true},
          {"tiled", "shared memory, sums of 8 pixels by 4 channels a thread", conv2d_cuda_tiled, true},
          {"tensor", "bf16 products of whole matrices an instruction", conv2d_cuda_tensor, true, Precision::bf16}};
}
#else
inline std::vector<Rung> cuda_rungs() { return {}; }
#endif

}  // namespace nad::ladder
