// Loops of pointwise.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// Pixels [begin, end) of y = epilogue(x).
static void pointwise_pixels(const PointwiseLoop& loop, int64_t begin, int64_t end) {
  const PointwiseLoop p = loop;  // a copy that no store can change: its fields stay in registers
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float* x = p.x + pixel * p.x_stride;
    float* y = p.y + pixel * p.y_stride;
    const float* residual = p.epilogue.residual ? p.epilogue.residual + pixel * p.epilogue.residual_stride : nullptr;
    const float* gate = p.epilogue.gate_of(pixel / p.plane);
    for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      using L = decltype(lanes);
      L::store(y + c, apply_epilogue(lanes, p.epilogue, residual, gate, c, L::load(x + c)));
    });
  }
}

// Pixels [begin, end) of dx (+)= scale * dz.
static void pointwise_backward_pixels(const PointwiseBackwardLoop& loop, int64_t begin, int64_t end) {
  const PointwiseBackwardLoop p = loop;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const float* dz = p.dz + pixel * p.dz_stride;
    float* dx = p.dx + pixel * p.dx_stride;
    for_channels(p.channels, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
      using L = decltype(lanes);
      typename L::F v = L::load(dz + c);
      if (p.scale) v *= L::load(p.scale + c);
      if (p.add) v += L::load(dx + c);
      L::store(dx + c, v);
    });
  }
}
