// Mean over windows, padding counted or not.
#include "engine/op_checks.h"
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
  const Range* rows = nullptr;     // [H]: the windows of each row of dx
  const Range* columns = nullptr;  // [W]
  bool add = false;
};

// Input positions of window o along one axis, without the padding.
static inline Range avg_pool_window(int64_t o, int64_t kernel, int64_t stride, int64_t pad, int64_t extent) {
  const int64_t first = o * stride - pad;
  return {std::max<int64_t>(0, first), std::min(extent, first + kernel)};
}

// 1 / (pixels that count in the window of output (oh, ow)). Windows never reach beyond the padding (output extents
// are rounded down), so with padding counted it is the kernel's size.
static inline float avg_pool_factor(const PoolParams& p, const Shape& x, int64_t oh, int64_t ow) {
  if (p.count_include_pad) return 1.f / static_cast<float>(p.kernel_h * p.kernel_w);
  const Range rows = avg_pool_window(oh, p.kernel_h, p.stride_h, p.pad_h, x.h);
  const Range columns = avg_pool_window(ow, p.kernel_w, p.stride_w, p.pad_w, x.w);
  return 1.f / static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
}

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/avg_pool_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {

Kernel avg_pool(Planner&, const AvgPoolArgs& args) {
  check_args(args);
  const auto plan = plan_epilogue(args.epilogue, args.y.shape);
  const AvgPoolLoop loop{args.params, args.x.data,   args.x.stride, args.x.shape,
                         args.y.data, args.y.stride, args.y.shape,  plan->loop};
  const auto rows = NAD_BEST(avg_pool_rows);
  return [plan, loop, rows](Context&) {
    parallel_for(loop.y_shape.n * loop.y_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

Kernel avg_pool_backward(Planner&, const AvgPoolBackwardArgs& args) {
  check_args(args);
  const auto windows = std::make_shared<const PoolWindows>(args.params, args.dx.shape, args.dz.shape);
  const AvgPoolBackwardLoop loop{
      args.params,    args.dz.data,  args.dz.stride,       args.dz.shape,           args.dx.data,
      args.dx.stride, args.dx.shape, windows->rows.data(), windows->columns.data(), args.mode == Accumulate::add};
  const auto rows = NAD_BEST(avg_pool_backward_rows);
  return [windows, loop, rows](Context&) {
    parallel_for(loop.dx_shape.n * loop.dx_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

}  // namespace nad::cpu
