// The value of the loss tap on a convolution's output y (Conv2dArgs::tap_sum), in two stages:
//   1. partial[p, s] = sum over the 32 channels of slice s of (y[pairs + p] - y[p])^2, p = sample * plane + pixel in
//      the first half of the batch: by the implicit GEMM in its finish, or by a pass over y
//   2. tap_sum[n] = sum over the sample's pixels and slices
// No partial sum depends on the rest of the batch, and stage 2 adds them in double in a fixed order: a sample's bytes
// are the same alone and among others.
#pragma once

#include "engine/host_device.h"
#include "kernels/cuda/convolution.h"

namespace nad::cuda {

constexpr int tap_slice = 32;  // channels of a partial sum
NAD_HOST_DEVICE constexpr int tap_slices(int channels) { return (channels + tap_slice - 1) / tap_slice; }

// Reserves the partial sums at the start of the scratch memory. PRECOND: c.tap_sum.
class TapSum {
 public:
  TapSum(Planner& planner, const Convolution& c);

  Global<float> partial(Context& context) const;
  // Stage 2. PRECOND: stage 1 has filled partial().
  void finish(Context& context) const;

 private:
  double* tap_sum_;
  int64_t samples_, per_sample_;  // half a batch, partial sums of each
};

// kernel, then both stages; kernel itself where there is no tap or no kernel.
Kernel with_tap_sum(Planner& planner, const Convolution& c, Kernel kernel);

}  // namespace nad::cuda
