// y = epilogue(x): one pass bound by memory traffic. Threads share the pixels.
#include "kernels/cpu/pointwise.h"

#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/ops.h"

#define NAD_LOOPS "kernels/cpu/pointwise_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {

PointwiseFunction best_pointwise() { return NAD_BEST(pointwise_pixels); }

Kernel pointwise(Planner&, const PointwiseArgs& args) {
  check_args(args);
  const auto plan = plan_epilogue(args.epilogue, args.y.shape);
  const Shape s = args.y.shape;
  const PointwiseLoop loop{args.x.data, args.x.stride, args.y.data, args.y.stride, s.c, s.h * s.w, plan->loop};
  const auto pixels = best_pointwise();
  return [plan, loop, pixels, count = s.pixels()](Context&) {
    parallel_for(count, [&](int64_t begin, int64_t end, int) { pixels(loop, begin, end); });
  };
}

Kernel pointwise_backward(Planner&, const PointwiseBackwardArgs& args) {
  check_args(args);
  const PointwiseBackwardLoop loop{args.dz.data,
                                   args.dz.stride,
                                   args.scale ? args.scale->data.data() : nullptr,
                                   args.dx.data,
                                   args.dx.stride,
                                   args.dx.shape.c,
                                   args.mode == Accumulate::add};
  const auto pixels = NAD_BEST(pointwise_backward_pixels);
  return [loop, pixels, scale = args.scale, count = args.dx.shape.pixels()](Context&) {
    parallel_for(count, [&](int64_t begin, int64_t end, int) { pixels(loop, begin, end); });
  };
}

}  // namespace nad::cpu
