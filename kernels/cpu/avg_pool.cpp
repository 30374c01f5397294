// Mean over windows, padding counted or not.
#include "engine/parallel.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/pool.h"

namespace nad::cpu {

struct AvgPoolLoop {
  PoolParams params;
  const float* x = nullptr;
  int64_t x_stride = 0;
  Shape x_shape;
  float* y = nullptr;
  int64_t y_stride = 0;
  Shape y_shape;
  EpilogueLoop epilogue;  // relu and gate
};

struct AvgPoolBackwardLoop {
  PoolParams params;
  const float* dz = nullptr;
  int64_t dz_stride = 0;
  Shape dz_shape;
  float* dx = nullptr;
  int64_t dx_stride = 0;
  Shape dx_shape;
  bool add = false;
};

// 1 / (pixels that count in the window of output (oh, ow)). Windows never reach beyond the padding (output extents
// are rounded down), so with padding counted it is the kernel's size.
static inline float avg_pool_factor(const PoolParams& p, const Shape& x, int64_t oh, int64_t ow) {
  if (p.count_include_pad) return 1.f / static_cast<float>(p.kernel_h * p.kernel_w);
  const int64_t h0 = oh * p.stride_h - p.pad_h, w0 = ow * p.stride_w - p.pad_w;
  const int64_t rows = std::min(x.h, h0 + p.kernel_h) - std::max<int64_t>(0, h0);
  const int64_t columns = std::min(x.w, w0 + p.kernel_w) - std::max<int64_t>(0, w0);
  return 1.f / static_cast<float>(rows * columns);
}

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/avg_pool_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {

Kernel avg_pool(Planner&, const AvgPoolArgs& args) {
  const char* op = "avg_pool";
  require_pool(op, args.params, args.x.shape, args.y.shape);
  require_gate_and_relu_only(op, args.epilogue);
  const auto plan = plan_epilogue(op, args.epilogue, args.y.shape);
  const AvgPoolLoop loop{args.params, args.x.data,   args.x.stride, args.x.shape,
                         args.y.data, args.y.stride, args.y.shape,  plan->loop};
  const auto rows = NAD_BEST(avg_pool_rows);
  return [plan, loop, rows](Context&) {
    parallel_for(loop.y_shape.n * loop.y_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

Kernel avg_pool_backward(Planner&, const AvgPoolBackwardArgs& args) {
  require_pool("avg_pool_backward", args.params, args.dx.shape, args.dz.shape);
  const AvgPoolBackwardLoop loop{args.params,  args.dz.data,   args.dz.stride, args.dz.shape,
                                 args.dx.data, args.dx.stride, args.dx.shape,  args.mode == Accumulate::add};
  const auto rows = NAD_BEST(avg_pool_backward_rows);
  return [loop, rows](Context&) {
    parallel_for(loop.dx_shape.n * loop.dx_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

}  // namespace nad::cpu
