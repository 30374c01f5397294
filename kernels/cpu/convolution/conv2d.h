// The CPU's convolution. What a call passes through, in this order, is also the order to read the folder in:
//
//   op        conv2d.cpp, conv2d_max_pool.cpp: the table's entries
//   choice    conv2d.cpp: a version, by a fixed rule over shape, precision and instruction set (not a timing): two
//             runs on one machine give the same bytes; bench/bench_kernels.cpp shows what the rule is based on
//   version   depthwise.cpp   groups = channels
//             winograd.cpp    3x3 with stride 1 and dilation 1
//             gemm.cpp        any case with one group, as an implicit matrix product
//             by_sample.cpp   any case on any processor: a sample after the other, by oneDNN
//                             (by_sample_onednn.cpp) or without it by plain loops (by_sample_plain.cpp)
//             At planning a version packs its weights (packing.h) and cuts the output into blocks; a replay deals the
//             blocks out to the threads.
//   block     blocks.h: what a block is given; gemm_block.h, winograd_block.h: what it does. Both are compiled once
//             per instruction set (*_block_avx2.cpp, ...); instruction_sets.cpp: the table of the processor at hand
//   tile      tile.h: the innermost product, a few rows by a few vectors of sums that stay in registers, and the
//             layout of the packed weights; tile_loop.h and tile_amx.h: its loop
//   vector    kernels/cpu/lanes.h: the operations on vectors, of all CPU kernels; vector.h and mask.h: what only
//             convolutions do with one; vector_avx2.h, ...: how large a tile is in each instruction set
//   finish    finish.h: what happens to a sum before it is stored, and what is fetched ahead of time
#pragma once

#include "engine/context.h"

namespace nad::cpu {

enum class ConvAlgorithm : uint8_t {
  depthwise,  // groups = channels: vectorised over channels
  gemm,       // implicit GEMM (AVX-512 or AVX2; fp32, bf16 products with AMX or AVX512-BF16)
  winograd,   // F(4x4, 3x3) (AVX-512 or AVX2; fp32, in bf16 products of integers)
  by_sample,  // any case, any instruction set
};

// An empty Kernel where the version does not cover the case; so do the versions below.
Kernel conv2d_with(ConvAlgorithm algorithm, Planner& planner, const Conv2dArgs& args);
Kernel conv2d_backward_with(ConvAlgorithm algorithm, Planner& planner, const Conv2dBackwardArgs& args);
ConvAlgorithm choose_conv2d(const Conv2dArgs& args);
ConvAlgorithm choose_conv2d_backward(const Conv2dBackwardArgs& args);

// Whether bf16 is multiplied as bf16 on this processor. Elsewhere Precision::bf16 multiplies in fp32.
bool bf16_products();
// Whether Precision::bf16 multiplies Winograd's transforms as 16-bit integers.
bool integer_products();

Kernel conv2d_depthwise(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_depthwise_backward(Planner& planner, const Conv2dBackwardArgs& args);
Kernel conv2d_gemm(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_gemm_backward(Planner& planner, const Conv2dBackwardArgs& args);
Kernel conv2d_winograd(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_winograd_backward(Planner& planner, const Conv2dBackwardArgs& args);
// Whether Winograd's way is possible and pays, from `in` (forward x, backward dz) to `out`.
bool winograd_covers(const Planner& planner, const Conv2dParams& params, const Shape& in, const Shape& out);
// With a 2x2 max-pool, of what it covers.
Kernel conv2d_winograd_pooled(Planner& planner, const Conv2dMaxPoolArgs& args);
Kernel conv2d_winograd_pooled_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args);
Kernel conv2d_by_sample(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_by_sample_backward(Planner& planner, const Conv2dBackwardArgs& args);

}  // namespace nad::cpu
