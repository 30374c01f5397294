// y = epilogue(x) over plain pointers: an op of its own, and
// the pass after a convolution that cannot fuse its epilogue.
#pragma once

#include "kernels/cpu/epilogue.h"

namespace nad::cpu {

struct PointwiseLoop {
  const float* x = nullptr;
  int64_t x_stride = 0;
  float* y = nullptr;  // may be x
  int64_t y_stride = 0;
  int64_t channels = 0;
  int64_t plane = 0;  // pixels per sample
  EpilogueLoop epilogue;
};
using PointwiseFunction = void (*)(const PointwiseLoop&, int64_t begin, int64_t end);  // pixels
PointwiseFunction best_pointwise();

struct PointwiseBackwardLoop {
  const float* dz = nullptr;
  int64_t dz_stride = 0;
  const float* scale = nullptr;  // [C] or null
  float* dx = nullptr;
  int64_t dx_stride = 0;
  int64_t channels = 0;
  bool add = false;
};

}  // namespace nad::cpu
