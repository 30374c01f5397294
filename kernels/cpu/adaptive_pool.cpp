// torch.nn.AdaptiveAvgPool2d: global pooling (1x1 outputs) in every network, 7x7 outputs in VGG16.
#include <algorithm>

#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/pool.h"

namespace nad::cpu {

struct AdaptivePoolLoop {
  const float* x = nullptr;
  int64_t x_stride = 0;
  Shape x_shape;
  float* y = nullptr;
  int64_t y_stride = 0;
  Shape y_shape;
  EpilogueLoop epilogue;  // relu and gate
};

struct AdaptivePoolBackwardLoop {
  const float* dz = nullptr;
  int64_t dz_stride = 0;
  Shape dz_shape;
  float* dx = nullptr;
  int64_t dx_stride = 0;
  Shape dx_shape;
  bool add = false;
};

// Input positions that output o averages.
static inline Range adaptive_window(int64_t o, int64_t out, int64_t in) {
  return {o * in / out, ((o + 1) * in + out - 1) / out};
}

// Outputs whose window holds input position i: o*in/out <= i and (o+1)*in > i*out.
static inline Range adaptive_windows_of(int64_t i, int64_t out, int64_t in) {
  return {i * out / in, std::min(out, ((i + 1) * out - 1) / in + 1)};
}

static inline float adaptive_count(int64_t oh, int64_t ow, const Shape& out, const Shape& in) {
  const Range rows = adaptive_window(oh, out.h, in.h), columns = adaptive_window(ow, out.w, in.w);
  return static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
}

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/adaptive_pool_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {

Kernel adaptive_pool(Planner&, const AdaptivePoolArgs& args) {
  check_args(args);
  const auto plan = plan_epilogue(args.epilogue, args.y.shape);
  const AdaptivePoolLoop loop{args.x.data,   args.x.stride, args.x.shape, args.y.data,
                              args.y.stride, args.y.shape,  plan->loop};
  const auto window = NAD_BEST(adaptive_pool_window);
  return [plan, loop, window](Context&) {
    const Shape& out = loop.y_shape;
    parallel_for(out.pixels(), [&](int64_t begin, int64_t end, int) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const int64_t row = pixel / out.w;
        window(loop, row / out.h, row % out.h, pixel % out.w);
      }
    });
  };
}

Kernel adaptive_pool_backward(Planner&, const AdaptivePoolBackwardArgs& args) {
  check_args(args);
  const AdaptivePoolBackwardLoop loop{args.dz.data,
                                      args.dz.stride,
                                      args.dz.shape,
                                      args.dx.data,
                                      args.dx.stride,
                                      args.dx.shape,
                                      args.mode == Accumulate::add};
  const auto rows = NAD_BEST(adaptive_pool_backward_rows);
  return [loop, rows](Context&) {
    parallel_for(loop.dx_shape.n * loop.dx_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

}  // namespace nad::cpu
