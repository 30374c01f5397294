// Average pooling: y = gate * (relu)(sum over the window / divisor); the divisor is KH*KW, or the pixels of the
// window inside the image where padding is not counted. To the data: dx (+)= sum of dz / divisor over the windows of
// a pixel. Moves 4 bytes per input and 4 per output element (overlapping windows hit the caches): bound by memory.
#include "engine/op_checks.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/window.h"

namespace nad::cuda {

namespace {

// x: [N, H, W, C], y: [N, OH, OW, C]. PRECOND: V = 4: views and table allow 16-byte accesses.
template <int V>
__global__ void __launch_bounds__(item_threads)
    avg_pool_kernel(PoolView v, DevicePool p, Global<const float> x, DeviceEpilogue epilogue, Global<float> y) {
  const int64_t index = global_index();
  if (index >= v.y_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int out = static_cast<int>(item.pixel);
  const PoolWindow window(p, v, out / v.out_width, out % v.out_width);
  const auto divisor = static_cast<float>(window.divisor(p));
  for (int64_t n = blockIdx.y; n < v.samples; n += gridDim.y) {
    Pack<V> sum;
    for (int k = 0; k < V; ++k) sum.v[k] = 0.0f;
    for (int h = window.top; h < window.bottom; ++h) {
      for (int w = window.left; w < window.right; ++w) {
        const Pack<V> value = load_pack<V>(x, (n * v.x_plane() + h * v.width + w) * v.x_stride + item.c);
        for (int k = 0; k < V; ++k) sum.v[k] += value.v[k];
      }
    }
    for (int k = 0; k < V; ++k) sum.v[k] /= divisor;
    const int64_t pixel = n * v.y_plane() + item.pixel;
    epilogue.template apply<V>(sum, pixel, item.c, epilogue.gate_row(n, v.channels));
    store_pack<V>(y, pixel * v.y_stride + item.c, sum);
  }
}

// dz: [N, OH, OW, C], dx: [N, H, W, C].
template <int V>
__global__ void __launch_bounds__(item_threads)
    avg_pool_backward_kernel(PoolView v, DevicePool p, Global<const float> dz, bool add, Global<float> dx) {
  const int64_t index = global_index();
  if (index >= v.x_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int h = static_cast<int>(item.pixel) / v.width, w = static_cast<int>(item.pixel) % v.width;
  const OutputSpan rows(h, p.kernel_h, p.stride_h, p.pad_h, v.out_height);
  const OutputSpan columns(w, p.kernel_w, p.stride_w, p.pad_w, v.out_width);
  for (int64_t n = blockIdx.y; n < v.samples; n += gridDim.y) {
    Pack<V> sum;
    for (int k = 0; k < V; ++k) sum.v[k] = 0.0f;
    for (int oh = rows.first; oh <= rows.last; ++oh) {
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        const auto divisor = static_cast<float>(PoolWindow(p, v, oh, ow).divisor(p));
        const int64_t pixel = n * v.y_plane() + oh * v.out_width + ow;
        const Pack<V> value = load_pack<V>(dz, pixel * v.y_stride + item.c);
        for (int k = 0; k < V; ++k) sum.v[k] += value.v[k] / divisor;
      }
    }
    put_pack<V>(dx, (n * v.x_plane() + item.pixel) * v.x_stride + item.c, sum, add);
  }
}

}  // namespace

Kernel plan_avg_pool(Planner&, const AvgPoolArgs& args) {
  check_args(args);
  const PoolView view = pool_view(args.x, args.y);
  const bool four = by_four(args.x) && by_four(args.y) && by_four(args.epilogue);
  const Grid grid = item_grid(view.y_plane() * view.channels / (four ? 4 : 1), view.samples);
  const DeviceEpilogue epilogue = device_epilogue(args.epilogue, {}, args.y.shape);
  return [=](Context& context) {
    launch(four ? avg_pool_kernel<4> : avg_pool_kernel<1>, grid, item_threads, 0, stream_of(context), view,
           device_pool(args.params), global(args.x), epilogue, global(args.y));
  };
}

Kernel plan_avg_pool_backward(Planner&, const AvgPoolBackwardArgs& args) {
  check_args(args);
  const PoolView view = pool_view(args.dx, args.dz);
  const bool four = by_four(args.dz) && by_four(args.dx);
  const Grid grid = item_grid(view.x_plane() * view.channels / (four ? 4 : 1), view.samples);
  return [=](Context& context) {
    launch(four ? avg_pool_backward_kernel<4> : avg_pool_backward_kernel<1>, grid, item_threads, 0,
           stream_of(context), view, device_pool(args.params), global(args.dz), args.mode == Accumulate::add,
           global(args.dx));
  };
}

}  // namespace nad::cuda
