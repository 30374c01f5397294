// Pointwise: y = gate * (relu)(scale * x + shift + residual). To the data: dx (+)= scale * dz.
// Moves 8 bytes per element (12 with a residual, 12 where dx accumulates): bound by memory.
//
// One thread per pixel and V channels: V = 1 serves every view, V = 4 moves 16 bytes per access.
#include "engine/op_checks.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

struct PointwiseView {
  Global<const float> x;  // [N, H, W, C]
  Global<float> y;        // [N, H, W, C]
  int64_t x_stride, y_stride, samples, plane;
  int channels;
};

// PRECOND: plane * channels / V < 2^31; V = 4: all views, the table and the parameters allow 16-byte accesses.
template <int V>
__global__ void __launch_bounds__(item_threads) pointwise_kernel(PointwiseView p, DeviceEpilogue epilogue) {
  const int64_t index = global_index();
  if (index >= p.plane * (p.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), p.channels);
  for (int64_t n = blockIdx.y; n < p.samples; n += gridDim.y) {
    const int64_t pixel = n * p.plane + item.pixel;
    Pack<V> z = load_pack<V>(p.x, pixel * p.x_stride + item.c);
    epilogue.template apply<V>(z, pixel, item.c, epilogue.gate_at(n));
    store_pack<V>(p.y, pixel * p.y_stride + item.c, z);
  }
}

// x: dz, y: dx, which may be the same memory.
template <int V>
__global__ void __launch_bounds__(item_threads)
    pointwise_backward_kernel(PointwiseView p, Global<const float> scale, bool add) {
  const int64_t index = global_index();
  if (index >= p.plane * (p.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), p.channels);
  for (int64_t n = blockIdx.y; n < p.samples; n += gridDim.y) {
    const int64_t pixel = n * p.plane + item.pixel;
    Pack<V> z = load_pack<V>(p.x, pixel * p.x_stride + item.c);
    if (scale) {
      const Pack<V> s = load_pack<V>(scale, item.c);
      for (int k = 0; k < V; ++k) z.v[k] *= s.v[k];
    }
    put_pack<V>(p.y, pixel * p.y_stride + item.c, z, add);
  }
}

PointwiseView view_of(const CTensor& x, const Tensor& y) {
  return {global(x), global(y), x.stride, y.stride, y.shape.n, y.shape.h * y.shape.w, static_cast<int>(y.shape.c)};
}

}  // namespace

Kernel plan_pointwise(Planner& planner, const PointwiseArgs& args) {
  check_args(args);
  const EpilogueParams params = epilogue_params(planner, args.epilogue);
  const PointwiseView view = view_of(args.x, args.y);
  const bool four = by_four(args.x) && by_four(args.y) && by_four(args.epilogue);
  const Grid grid = item_grid(view.plane * view.channels / (four ? 4 : 1), view.samples);
  return
      [params, view, four, grid, epilogue = device_epilogue(args.epilogue, params, args.y.shape)](Context& context) {
        launch(four ? pointwise_kernel<4> : pointwise_kernel<1>, grid, item_threads, 0, stream_of(context), view,
               epilogue);
      };
}

Kernel plan_pointwise_backward(Planner& planner, const PointwiseBackwardArgs& args) {
  check_args(args);
  const DeviceParam scale = device_param(planner, args.scale);
  const PointwiseView view = view_of(args.dz, args.dx);
  const bool four = by_four(args.dz) && by_four(args.dx), add = args.mode == Accumulate::add;
  const Grid grid = item_grid(view.plane * view.channels / (four ? 4 : 1), view.samples);
  return [scale, view, four, add, grid](Context& context) {
    launch(four ? pointwise_backward_kernel<4> : pointwise_backward_kernel<1>, grid, item_threads, 0,
           stream_of(context), view, scale.view(), add);
  };
}

}  // namespace nad::cuda
