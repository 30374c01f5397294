// One convolution, written several times, from simple to fast: each file of this folder is one version, a rung, and says
// what it gains over the one before and why. bench_ladder measures them; tests/ladder_check.h checks them.
//
//   naive.cpp     the equation, one output after the other
//   blocked.cpp   a tile of outputs at a time: what is loaded is used more than once
//   packed.cpp    the weights in the order in which they are read
//   simd.cpp      the tile in vector registers, a product and a sum per instruction
//
// and on a GPU (cuda_rungs.h), run by tests/test_cuda_ladder.cpp on the model of one:
//
//   cuda_naive.cu    a thread an output
//   cuda_tiled.cu    tiles of a matrix product in shared memory and in registers
//   cuda_tensor.cu   the same on tensor cores, in bf16
//
// A rung is an entry of the op table (engine/ops.h): it is called once with shapes, weights and addresses, prepares what
// it can, and returns the kernel that does the work. Here a case is 3x3, stride 1, padding 1, without prologue and
// epilogue, on one thread of the CPU or on a GPU:
//   y[n, h, w, o] = sum over kh, kw, i of x[n, h + kh - 1, w + kw - 1, i] * weight[o, i, kh, kw]      (0 outside of x)
// How the engine's own convolutions go on from here: kernels/cpu/convolution/conv2d.h, kernels/cuda/conv2d.h.
#pragma once

#include <vector>

#include "engine/context.h"

namespace nad::ladder {

Kernel conv2d_naive(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_blocked(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_packed(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_simd(Planner& planner, const Conv2dArgs& args);  // PRECOND: AVX2 and FMA (kernels/cpu/isa.h)

struct Rung {
  const char* name;
  const char* gain;  // over the one before, in a few words
  Entry<Conv2dArgs> plan;
  bool runs;  // on this processor
  Precision products = Precision::fp32;
};
std::vector<Rung> rungs();

// Throws Error(usage) for a case that the rungs do not take.
void check_case(const Conv2dArgs& args);

// The pixel of x that tap (kh, kw) brings to output (h, w) of sample n: its channels, or `zeros` outside of x.
inline const float* tap_pixel(const Conv2dArgs& a, int64_t n, int64_t h, int64_t w, const float* zeros) {
  const bool inside = h >= 0 && h < a.x.shape.h && w >= 0 && w < a.x.shape.w;
  return inside ? a.x.at(n, h, w) : zeros;
}

}  // namespace nad::ladder
