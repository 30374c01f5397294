// A convolution and the 2x2 max-pool behind it. Winograd's tiles of 4x4 outputs hold whole windows: the output
// transform keeps the maxima and where they were, and on the way back the input transform puts the gradient there.
// The wide map, 411 MB of VGG16's first at 32 samples, is never in memory.
#include "engine/error.h"
#include "engine/op_checks.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/ops.h"

namespace nad::cpu {

[[noreturn]] static void refuse(const std::string& op) {
  throw Error(ErrorKind::device, op + ": a convolution that the CPU does not fuse with its pool",
              "ask fuses_max_pool first");
}

bool fuses_max_pool(const Planner& planner, const Conv2dParams& params, const PoolParams& pool, const Shape& x,
                    int64_t channels) {
  const Shape wide = conv_output(params, x, channels);
  return pool.kernel_h == 2 && pool.kernel_w == 2 && pool.stride_h == 2 && pool.stride_w == 2 && pool.pad_h == 0 &&
         pool.pad_w == 0 && winograd_covers(planner, params, x, wide) && winograd_covers(planner, params, wide, x);
}

Kernel conv2d_max_pool(Planner& planner, const Conv2dMaxPoolArgs& args) {
  check_args(args);
  if (fuses_max_pool(planner, args.params, args.pool, args.x.shape, args.y.shape.c)) {
    return conv2d_winograd_pooled(planner, args);
  }
  refuse("conv2d_max_pool");
}

Kernel conv2d_max_pool_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args) {
  check_args(args);
  if (fuses_max_pool(planner, args.params, args.pool, args.dx.shape, args.dz.shape.c)) {
    return conv2d_winograd_pooled_backward(planner, args);
  }
  refuse("conv2d_max_pool_backward");
}

}  // namespace nad::cpu
