// A convolution and the max-pool behind it, as just that: the wide map in between is written and read.
#include "engine/context.h"
#include "engine/op_checks.h"
#include "kernels/reference/ops.h"

namespace nad::reference {
namespace {

struct Wide {
  Buffer memory;
  Tensor map;
};
Wide wide_map(Planner& planner, const Shape& shape) {
  Wide wide{planner.weights(static_cast<size_t>(shape.count()) * sizeof(float)), {}};
  wide.map = {reinterpret_cast<float*>(wide.memory.get()), shape, shape.c};
  return wide;
}

}  // namespace

Kernel plan_conv2d_max_pool(Planner& planner, const Conv2dMaxPoolArgs& args) {
  check_args(args);
  const Wide wide = wide_map(planner, conv_output(args.params, args.x.shape, args.y.shape.c));
  const Epilogue &e = args.epilogue, affine{e.scale, e.shift, {}, false, {}}, rest{{}, {}, {}, e.relu, e.gate};
  const Kernel conv = plan_conv2d(planner, {args.params, args.x, args.weight, {}, affine, wide.map});
  const Kernel pool = plan_max_pool(planner, {args.pool, wide.map, rest, args.y, args.argmax});
  return [wide, conv, pool](Context& context) {
    conv(context);
    pool(context);
  };
}

Kernel plan_conv2d_max_pool_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args) {
  check_args(args);
  const Wide wide = wide_map(planner, conv_output(args.params, args.dx.shape, args.dz.shape.c));
  const Kernel pool =
      plan_max_pool_backward(planner, {args.pool, args.dz, args.argmax, Accumulate::overwrite, wide.map});
  const Kernel conv =
      plan_conv2d_backward(planner, {args.params, wide.map, args.weight, args.scale, {}, {}, args.mode, args.dx});
  return [wide, conv, pool](Context& context) {
    pool(context);
    conv(context);
  };
}

bool fuses_max_pool(const Planner&, const Conv2dParams&, const PoolParams&, const Shape&, int64_t) { return true; }

}  // namespace nad::reference
