// Adaptive average pooling: y[oh, ow] = gate * (relu)(mean of rows floor(oh*H/OH) .. ceil((oh+1)*H/OH) - 1, columns
// alike). To the data: dx (+)= sum over the windows that hold the pixel of dz / (pixels of the window).
// Moves 4 bytes per input and 4 per output element: bound by memory.
#include "engine/op_checks.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/window.h"

namespace nad::cuda {

namespace {

// Inputs [begin, end) that output `o` of `out` averages.
struct AdaptiveSpan {
  int begin, end;
  __device__ AdaptiveSpan(int o, int in, int out)
      : begin(static_cast<int>(int64_t{o} * in / out)),
        end(static_cast<int>(((int64_t{o} + 1) * in + out - 1) / out)) {}
  __device__ int size() const { return end - begin; }
};

// Outputs first .. last whose spans hold input i: o*in/out <= i < ceil((o+1)*in/out), so o < (i+1)*out/in and
// (o+1)*in > i*out.
struct HolderSpan {
  int first, last;
  __device__ HolderSpan(int i, int in, int out)
      : first(static_cast<int>(int64_t{i} * out / in)), last(static_cast<int>(((int64_t{i} + 1) * out - 1) / in)) {}
};

// x: [N, H, W, C], y: [N, OH, OW, C]. PRECOND: V = 4: views and table allow 16-byte accesses.
template <int V>
__global__ void __launch_bounds__(item_threads)
    adaptive_pool_kernel(PoolView v, Global<const float> x, DeviceEpilogue epilogue, Global<float> y) {
  const int64_t index = global_index();
  if (index >= v.y_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int out = static_cast<int>(item.pixel);
  const AdaptiveSpan rows(out / v.out_width, v.height, v.out_height),
      columns(out % v.out_width, v.width, v.out_width);
  const auto divisor = static_cast<float>(rows.size() * columns.size());
  for (int64_t n = blockIdx.y; n < v.samples; n += gridDim.y) {
    Pack<V> sum;
    for (int k = 0; k < V; ++k) sum.v[k] = 0.0f;
    for (int h = rows.begin; h < rows.end; ++h) {
      for (int w = columns.begin; w < columns.end; ++w) {
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
    adaptive_pool_backward_kernel(PoolView v, Global<const float> dz, bool add, Global<float> dx) {
  const int64_t index = global_index();
  if (index >= v.x_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int in = static_cast<int>(item.pixel);
  const HolderSpan rows(in / v.width, v.height, v.out_height), columns(in % v.width, v.width, v.out_width);
  for (int64_t n = blockIdx.y; n < v.samples; n += gridDim.y) {
    Pack<V> sum;
    for (int k = 0; k < V; ++k) sum.v[k] = 0.0f;
    for (int oh = rows.first; oh <= rows.last; ++oh) {
      const int height = AdaptiveSpan(oh, v.height, v.out_height).size();
      for (int ow = columns.first; ow <= columns.last; ++ow) {
        const auto divisor = static_cast<float>(height * AdaptiveSpan(ow, v.width, v.out_width).size());
        const int64_t pixel = n * v.y_plane() + oh * v.out_width + ow;
        const Pack<V> value = load_pack<V>(dz, pixel * v.y_stride + item.c);
        for (int k = 0; k < V; ++k) sum.v[k] += value.v[k] / divisor;
      }
    }
    put_pack<V>(dx, (n * v.x_plane() + item.pixel) * v.x_stride + item.c, sum, add);
  }
}

}  // namespace

Kernel plan_adaptive_pool(Planner&, const AdaptivePoolArgs& args) {
  check_args(args);
  const PoolView view = pool_view(args.x, args.y);
  const bool four = by_four(args.x) && by_four(args.y) && by_four(args.epilogue);
  const Grid grid = item_grid(view.y_plane() * view.channels / (four ? 4 : 1), view.samples);
  const DeviceEpilogue epilogue = device_epilogue(args.epilogue, {}, args.y.shape);
  return [=](Context& context) {
    launch(four ? adaptive_pool_kernel<4> : adaptive_pool_kernel<1>, grid, item_threads, 0, stream_of(context), view,
           global(args.x), epilogue, global(args.y));
  };
}

Kernel plan_adaptive_pool_backward(Planner&, const AdaptivePoolBackwardArgs& args) {
  check_args(args);
  const PoolView view = pool_view(args.dx, args.dz);
  const bool four = by_four(args.dz) && by_four(args.dx);
  const Grid grid = item_grid(view.x_plane() * view.channels / (four ? 4 : 1), view.samples);
  return [=](Context& context) {
    launch(four ? adaptive_pool_backward_kernel<4> : adaptive_pool_backward_kernel<1>, grid, item_threads, 0,
           stream_of(context), view, global(args.dz), args.mode == Accumulate::add, global(args.dx));
  };
}

}  // namespace nad::cuda
