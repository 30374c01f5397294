// Maximum over windows, with the place of the first maximum for the backward pass (a byte per output).
// Forward and backward gather, so no thread ever adds into another's pixels.
#include "engine/error.h"
#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/pool.h"

namespace nad::cpu {

constexpr int64_t kLargestWindow = 256;  // what a byte can tell apart

struct MaxPoolLoop {
  PoolParams params;
  const float* x = nullptr;
  int64_t x_stride = 0;
  Shape x_shape;
  float* y = nullptr;
  int64_t y_stride = 0;
  Shape y_shape;
  uint8_t* argmax = nullptr;  // or null
  EpilogueLoop epilogue;      // relu and gate
};

struct MaxPoolBackwardLoop {
  PoolParams params;
  const float* dz = nullptr;
  int64_t dz_stride = 0;
  Shape dz_shape;
  const uint8_t* argmax = nullptr;
  float* dx = nullptr;
  int64_t dx_stride = 0;
  Shape dx_shape;
  const Range* rows = nullptr;     // [H]: the windows of each row of dx
  const Range* columns = nullptr;  // [W]
  bool add = false;
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/max_pool_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {

Kernel max_pool(Planner&, const MaxPoolArgs& args) {
  check_args(args);
  if (args.params.kernel_h * args.params.kernel_w > kLargestWindow) {
    throw Error(ErrorKind::device, "max_pool: the CPU takes windows of at most 256 pixels", "use device reference",
                Setting::device);
  }
  const auto plan = plan_epilogue(args.epilogue, args.y.shape);
  const MaxPoolLoop loop{args.params,   args.x.data,  args.x.stride, args.x.shape, args.y.data,
                         args.y.stride, args.y.shape, args.argmax,   plan->loop};
  const auto rows = NAD_BEST(max_pool_rows);
  return [plan, loop, rows](Context&) {
    parallel_for(loop.y_shape.n * loop.y_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

Kernel max_pool_backward(Planner&, const MaxPoolBackwardArgs& args) {
  check_args(args);
  const auto windows = std::make_shared<const PoolWindows>(args.params, args.dx.shape, args.dz.shape);
  const MaxPoolBackwardLoop loop{args.params,
                                 args.dz.data,
                                 args.dz.stride,
                                 args.dz.shape,
                                 args.argmax,
                                 args.dx.data,
                                 args.dx.stride,
                                 args.dx.shape,
                                 windows->rows.data(),
                                 windows->columns.data(),
                                 args.mode == Accumulate::add};
  const auto rows = NAD_BEST(max_pool_backward_rows);
  return [windows, loop, rows](Context&) {
    parallel_for(loop.dx_shape.n * loop.dx_shape.h, [&](int64_t begin, int64_t end, int) { rows(loop, begin, end); });
  };
}

}  // namespace nad::cpu
