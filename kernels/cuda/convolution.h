// A convolution as the kernels of this folder see it, forward and to the data alike: every target pixel gathers
// source pixels on a regular grid of taps,
//   target[n, first + q*every, c] =
//       finish( sum_{tap, k} weight[c, tap, k] * source'[n, q*step + base + tap*tap_step, k] )
// with rows and columns alike, source' = prologue(source) inside the source and 0 outside.
// - Forward: one gather; source = x, target = y, step = stride, base = offset - pad, tap_step = dilation.
// - To the data: source = dz, target = dx. With stride s the target's pixels of one residue modulo s (a phase) meet
//   the same taps of the kernel, so there are s_h * s_w gathers of step 1 with fewer taps each, and no tap is wasted.
//   Taps run backwards, so that tap_step is never negative. A phase without taps still writes its zeros.
// The finish covers both directions: Epilogue forward; the prologue's derivative and (+)= backward.
//
// The distance tap on y (Conv2dArgs::tap_sum) compares a sample of the second half of the batch with its counterpart
// in the first. The implicit GEMM pairs the two within a tile and sums the squares of their differences in its
// finish; where another kernel convolves, a pass over y follows (tap_sum.h).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/context.h"
#include "kernels/cuda/device.h"
#include "kernels/epilogue.h"

namespace nad::cuda {

// ---- what kernels get ---------------------------------------------------------------------------------------------
struct Gather {
  int source_h = 0, source_w = 0;  // extents of the source
  int grid_h = 0, grid_w = 0;      // positions q per sample
  int positions = 0;               // N * grid_h * grid_w
  int taps_h = 0, taps_w = 0;
  int step_h = 1, step_w = 1, base_h = 0, base_w = 0, tap_step_h = 1, tap_step_w = 1;
  int first_h = 0, first_w = 0, every_h = 1, every_w = 1;
  int target_h = 0, target_w = 0;  // extents of the target
  int pairs = 0;                   // with a tap: the positions of half a batch; see gemm_rows
  int64_t weights = 0;             // where this gather's packed weights begin, in elements
};

constexpr int max_gathers = 4;  // stride 2 to the data

struct Source {
  Global<const float> data;  // [N, source_h, source_w, channels], pixels `stride` elements apart
  int64_t stride = 0;
  int channels = 0;
  bool vectors = false;              // data and stride allow accesses of 4 channels
  bool relu = false;                 // the prologue
  Global<const float> scale, shift;  // [channels] or null
};

// The end of a sum, forward and to the data (kernels/epilogue.h), and where it goes.
struct Finish : FinishFields<Global> {
  Global<float> target;  // [N, target_h, target_w, channels], pixels `stride` elements apart
  int64_t stride = 0;
  int channels = 0;
  bool vectors = false;  // every pointer and stride allows accesses of 4 channels
  Global<float> tap;     // [positions / 2, tap_slices(channels)] or null: partial sums of a tap (tap_sum.h)
};

// ---- what planning works with -------------------------------------------------------------------------------------
struct Tap {
  int64_t kh, kw;
};

struct Convolution {
  const char* op = "";
  Conv2dParams params;
  Shape source_shape, target_shape;
  int64_t groups = 1;
  bool backward = false;
  Param weight;        // [O, I/groups, KH, KW]
  Param weight_scale;  // [O] or null; backward only
  Source source;
  Finish finish;
  double* tap_sum = nullptr;  // [N / 2] or null; forward only
  std::vector<Gather> gathers;
  std::vector<std::vector<Tap>> taps;  // of each gather, in order
  std::vector<Buffer> buffers;         // vectors of source and finish

  int64_t source_channels() const { return source_shape.c / groups; }  // per group
  int64_t target_channels() const { return target_shape.c / groups; }
  // The weight between a target channel and the k-th source channel of its group.
  float weight_at(int64_t target_channel, int64_t k, const Tap& tap) const;
};

// PRECOND: check_args(args) passed. Uploads the channel vectors.
// Throws Error(device) where an extent exceeds 31 bits.
Convolution describe(Planner& planner, const Conv2dArgs& args);
Convolution describe(Planner& planner, const Conv2dBackwardArgs& args);

}  // namespace nad::cuda
