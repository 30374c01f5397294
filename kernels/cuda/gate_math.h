// The functions between gate logits and multipliers, in double.
#pragma once

#include "kernels/cuda/device.h"

namespace nad::cuda {

__device__ inline double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
__device__ inline double softplus(double x) { return (x > 0 ? x : 0.0) + log1p(exp(x > 0 ? -x : x)); }

}  // namespace nad::cuda
