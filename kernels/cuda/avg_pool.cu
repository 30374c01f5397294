// Average pooling: y = gate * (relu)(sum over the window / divisor); the divisor
// is KH*KW, or the pixels of the window inside the image where padding is not
// counted. To the data: dx (+)= sum of dz / divisor over the windows of a pixel.
#include "engine/op_checks.h"
#include "kernels/cuda/mean_pool.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

struct PlainWindows {
  PoolView view;
  DevicePool pool;

  __device__ MeanWindow of(int oh, int ow) const {
    const PoolWindow window(pool, view, oh, ow);
    return {window.top, window.bottom, window.left, window.right, window.divisor(pool)};
  }
  __device__ OutputSpan rows(int h) const { return {h, pool.kernel_h, pool.stride_h, pool.pad_h, view.out_height}; }
  __device__ OutputSpan columns(int w) const { return {w, pool.kernel_w, pool.stride_w, pool.pad_w, view.out_width}; }
};

}  // namespace

Kernel plan_avg_pool(Planner&, const AvgPoolArgs& args) {
  check_args(args);
  return mean_pool(PlainWindows{pool_view(args.x, args.y), device_pool(args.params)}, args);
}

Kernel plan_avg_pool_backward(Planner&, const AvgPoolBackwardArgs& args) {
  check_args(args);
  return mean_pool_backward(PlainWindows{pool_view(args.dx, args.dz), device_pool(args.params)}, args);
}

}  // namespace nad::cuda
