// BatchNorm with the batch's own statistics, for training a network: the arguments of its two ops. Learning gates
// never trains a network, so they are not part of the op table; their entries are in kernels/batch_norm.h. (In
// evaluation BatchNorm is an affine map: Epilogue and Prologue in engine/ops.h.)
//
// All results depend on the whole batch, in a fixed order of additions.
#pragma once

#include "engine/ops.h"

namespace nad {

// mean[c], variance[c] (biased) over N, H, W;  rstd = 1 / sqrt(variance + epsilon);
// y = (relu)(gamma * (x - mean) * rstd + beta)
// running_mean = (1 - momentum) * running_mean + momentum * mean; running_variance alike with the unbiased variance
// (torch.nn.BatchNorm2d in training mode).
struct BatchNormArgs {
  CTensor x;                     // [N, H, W, C]
  const float* gamma = nullptr;  // [C]
  const float* beta = nullptr;   // [C]
  float epsilon = 1e-5f;
  float momentum = 0.1f;
  bool relu = false;
  float* mean = nullptr;              // [C], kept for the backward pass
  float* rstd = nullptr;              // [C], the same
  float* running_mean = nullptr;      // [C] or null
  float* running_variance = nullptr;  // [C] or null
  Tensor y;                           // [N, H, W, C], may be x itself
};

// With t = dy where y did not end in a ReLU at 0, else 0, and xhat = (x - mean) * rstd:
//   dbeta = sum t, dgamma = sum t * xhat                              over N, H, W
//   dx (+)= gamma * rstd * (t - dbeta / M - xhat * dgamma / M),       M = N * H * W
struct BatchNormBackwardArgs {
  CTensor dy;                    // [N, H, W, C]
  CTensor x;                     // [N, H, W, C], the forward op's
  CTensor y;                     // [N, H, W, C] with a ReLU, else empty
  const float* gamma = nullptr;  // [C]
  const float* mean = nullptr;   // [C]
  const float* rstd = nullptr;   // [C]
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;                // [N, H, W, C]
  float* dgamma = nullptr;  // [C]
  float* dbeta = nullptr;   // [C]
};

void check_args(const BatchNormArgs& args);
void check_args(const BatchNormBackwardArgs& args);

}  // namespace nad
