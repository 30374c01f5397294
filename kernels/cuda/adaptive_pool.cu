// Adaptive average pooling: y[oh, ow] = gate * (relu)(mean of rows floor(oh*H/OH) .. ceil((oh+1)*H/OH) - 1, columns
// alike). To the data: dx (+)= sum over the windows that hold the pixel of dz / (pixels of the window).
#include "engine/op_checks.h"
#include "kernels/cuda/mean_pool.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

// Inputs [begin, end) that output `o` of `out` averages.
struct AdaptiveSpan {
  int begin, end;
  __device__ AdaptiveSpan(int o, int in, int out)
      : begin(static_cast<int>(int64_t{o} * in / out)),
        end(static_cast<int>(((int64_t{o} + 1) * in + out - 1) / out)) {}
};

struct AdaptiveWindows {
  PoolView view;

  __device__ MeanWindow of(int oh, int ow) const {
    const AdaptiveSpan rows(oh, view.height, view.out_height), columns(ow, view.width, view.out_width);
    const int pixels = (rows.end - rows.begin) * (columns.end - columns.begin);
    return {rows.begin, rows.end, columns.begin, columns.end, pixels};
  }
  // Outputs whose spans hold input i: o*in/out <= i < ceil((o+1)*in/out), so o < (i+1)*out/in and (o+1)*in > i*out.
  __device__ static OutputSpan holders(int i, int in, int out) {
    return {static_cast<int>(int64_t{i} * out / in), static_cast<int>(((int64_t{i} + 1) * out - 1) / in)};
  }
  __device__ OutputSpan rows(int h) const { return holders(h, view.height, view.out_height); }
  __device__ OutputSpan columns(int w) const { return holders(w, view.width, view.out_width); }
};

}  // namespace

Kernel plan_adaptive_pool(Planner&, const AdaptivePoolArgs& args) {
  check_args(args);
  return mean_pool(AdaptiveWindows{pool_view(args.x, args.y)}, args);
}

Kernel plan_adaptive_pool_backward(Planner&, const AdaptivePoolBackwardArgs& args) {
  check_args(args);
  return mean_pool_backward(AdaptiveWindows{pool_view(args.dx, args.dz)}, args);
}

}  // namespace nad::cuda
