// The CUDA backend's ways to convolve. Each returns an empty Kernel where it does not cover the case. Between the
// hand-written ones conv2d.cu chooses by a fixed rule over shapes: two runs give the same bytes, and no sum depends
// on N, on the position in the batch or on the tile that an element falls into. cuDNN promises less: the same bytes
// for the same layer and batch on the same device.
#pragma once

#include "kernels/cuda/convolution.h"

namespace nad::cuda {

// Tiles of conv2d_gemm, target pixels x target channels per block. `automatic` takes the best one by shape.
enum class GemmTile : uint8_t { automatic, m128n128, m128n64, m64n64, m128n32 };

// Of these only conv2d_gemm fills Convolution::tap_sum; with_tap_sum (tap_sum.h) does it for the others.
// Any case, one thread per element, fp32.
Kernel conv2d_simple(Planner& planner, const Convolution& convolution);
// groups = 1: implicit GEMM, products in the planner's precision.
Kernel conv2d_gemm(Planner& planner, const Convolution& convolution, GemmTile tile = GemmTile::automatic);
// groups = channels: vectors along channels, fp32.
Kernel conv2d_depthwise(Planner& planner, const Convolution& convolution);
// Any case without an input offset, where the backend has cuDNN and cuDNN has a deterministic algorithm.
// alone: cuDNN's own run without the passes before and after it, on what lies in the scratch memory (bench_kernels).
Kernel conv2d_cudnn(Planner& planner, const Convolution& convolution, bool alone = false);

}  // namespace nad::cuda
