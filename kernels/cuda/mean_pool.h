// The average over windows, forward and to the data, for avg_pool.cu and adaptive_pool.cu; they differ in Windows:
//   PoolView view;
//   __device__ MeanWindow of(int oh, int ow) const;                 // of an output pixel
//   __device__ OutputSpan rows(int h) const, columns(int w) const;  // the outputs whose windows hold a pixel of x
// Moves 4 bytes per input and 4 per output element (overlapping windows hit the caches): bound by memory.
#pragma once

#include "kernels/cuda/window.h"

namespace nad::cuda {

struct MeanWindow {  // rows [top, bottom) and columns [left, right) of x
  int top, bottom, left, right, divisor;
};

// x: [N, H, W, C], y: [N, OH, OW, C]. PRECOND: V = 4: views and table allow 16-byte accesses.
template <int V, class Windows>
__global__ void __launch_bounds__(item_threads)
    mean_pool_kernel(Windows windows, Global<const float> x, DeviceEpilogue epilogue, Global<float> y) {
  const PoolView& v = windows.view;
  const int64_t index = global_index();
  if (index >= v.y_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int out = static_cast<int>(item.pixel);
  const MeanWindow window = windows.of(out / v.out_width, out % v.out_width);
  const auto divisor = static_cast<float>(window.divisor);
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
    epilogue.template apply<V>(sum, pixel, item.c, epilogue.gate_at(n));
    store_pack<V>(y, pixel * v.y_stride + item.c, sum);
  }
}

// dz: [N, OH, OW, C], dx: [N, H, W, C].
template <int V, class Windows>
__global__ void __launch_bounds__(item_threads)
    mean_pool_backward_kernel(Windows windows, Global<const float> dz, bool add, Global<float> dx) {
  const PoolView& v = windows.view;
  const int64_t index = global_index();
  if (index >= v.x_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int in = static_cast<int>(item.pixel);
  const OutputSpan rows = windows.rows(in / v.width), columns = windows.columns(in % v.width);
  for (int64_t n = blockIdx.y; n < v.samples; n += gridDim.y) {
    Pack<V> sum;
    for (int k = 0; k < V; ++k) sum.v[k] = 0.0f;
    for (int oh = rows.first; oh <= rows.last; ++oh) {
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        const auto divisor = static_cast<float>(windows.of(oh, ow).divisor);
        const int64_t pixel = n * v.y_plane() + oh * v.out_width + ow;
        const Pack<V> value = load_pack<V>(dz, pixel * v.y_stride + item.c);
        for (int k = 0; k < V; ++k) sum.v[k] += value.v[k] / divisor;
      }
    }
    put_pack<V>(dx, (n * v.x_plane() + item.pixel) * v.x_stride + item.c, sum, add);
  }
}

// Args: AvgPoolArgs or AdaptivePoolArgs.
template <class Windows, class Args>
Kernel mean_pool(const Windows& windows, const Args& args) {
  const bool four = by_four(args.x) && by_four(args.y) && by_four(args.epilogue);
  const PoolView& view = windows.view;
  const Grid grid = item_grid(view.y_plane() * view.channels / (four ? 4 : 1), view.samples);
  const DeviceEpilogue epilogue = device_epilogue(args.epilogue, {}, args.y.shape);
  return [=, x = global(args.x), y = global(args.y)](Context& context) {
    launch(four ? mean_pool_kernel<4, Windows> : mean_pool_kernel<1, Windows>, grid, item_threads, 0,
           stream_of(context), windows, x, epilogue, y);
  };
}

template <class Windows, class Args>
Kernel mean_pool_backward(const Windows& windows, const Args& args) {
  const bool four = by_four(args.dz) && by_four(args.dx);
  const PoolView& view = windows.view;
  const Grid grid = item_grid(view.x_plane() * view.channels / (four ? 4 : 1), view.samples);
  return [=, dz = global(args.dz), dx = global(args.dx), add = args.mode == Accumulate::add](Context& context) {
    launch(four ? mean_pool_backward_kernel<4, Windows> : mean_pool_backward_kernel<1, Windows>, grid, item_threads,
           0, stream_of(context), windows, dz, add, dx);
  };
}

}  // namespace nad::cuda
