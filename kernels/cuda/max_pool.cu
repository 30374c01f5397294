// Max pooling: y = gate * (relu)(max over the window), argmax = kh*KW + kw of the first maximum; padding never wins.
// To the data: dx[ih, iw] (+)= sum of dz over the windows whose maximum is this pixel, gathered, so without atomics.
// Moves 4 bytes per input, 4 and 1 per output element (overlapping windows hit the caches): bound by memory.
#include "engine/op_checks.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/window.h"

namespace nad::cuda {

namespace {

// V positions of adjacent channels, as bytes.
template <int V>
__device__ inline void store_positions(const Global<uint8_t>& argmax, int64_t i, const int (&position)[V]) {
  if constexpr (V == 4) {
    const auto byte = [&](int k) { return static_cast<unsigned char>(position[k]); };
    store(argmax, i, make_uchar4(byte(0), byte(1), byte(2), byte(3)));
  } else {
    argmax[i] = static_cast<uint8_t>(position[0]);
  }
}
template <int V>
__device__ inline void load_positions(const Global<const uint8_t>& argmax, int64_t i, int (&position)[V]) {
  if constexpr (V == 4) {
    const uchar4 q = load<uchar4>(argmax, i);
    position[0] = q.x, position[1] = q.y, position[2] = q.z, position[3] = q.w;
  } else {
    position[0] = argmax[i];
  }
}

// x: [N, H, W, C], y: [N, OH, OW, C], argmax: [N, OH, OW, C] dense
// or null. PRECOND: V = 4: views and table allow 16-byte accesses.
template <int V>
__global__ void __launch_bounds__(item_threads)
    max_pool_kernel(PoolView v, DevicePool p, Global<const float> x, DeviceEpilogue epilogue, Global<float> y,
                    Global<uint8_t> argmax) {
  const int64_t index = global_index();
  if (index >= v.y_plane() * (v.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), v.channels);
  const int out = static_cast<int>(item.pixel);
  const PoolWindow window(p, v, out / v.out_width, out % v.out_width);
  for (int64_t n = blockIdx.y; n < v.samples; n += gridDim.y) {
    Pack<V> best;
    int position[V];
    for (int k = 0; k < V; ++k) position[k] = -1, best.v[k] = 0.0f;
    for (int h = window.top; h < window.bottom; ++h) {
      for (int w = window.left; w < window.right; ++w) {
        const Pack<V> value = load_pack<V>(x, (n * v.x_plane() + h * v.width + w) * v.x_stride + item.c);
        const int at = (h - window.first_row) * p.kernel_w + w - window.first_column;
        for (int k = 0; k < V; ++k) {
          if (position[k] >= 0 && !(value.v[k] > best.v[k]) && !isnan(value.v[k])) continue;
          best.v[k] = value.v[k];
          position[k] = at;
        }
      }
    }
    const int64_t pixel = n * v.y_plane() + item.pixel;
    if (argmax) store_positions<V>(argmax, pixel * v.channels + item.c, position);
    epilogue.template apply<V>(best, pixel, item.c, epilogue.gate_at(n));
    store_pack<V>(y, pixel * v.y_stride + item.c, best);
  }
}

// dz: [N, OH, OW, C], dx: [N, H, W, C].
template <int V>
__global__ void __launch_bounds__(item_threads)
    max_pool_backward_kernel(PoolView v, DevicePool p, Global<const float> dz, Global<const uint8_t> argmax, bool add,
                             Global<float> dx) {
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
        const int64_t pixel = n * v.y_plane() + oh * v.out_width + ow;
        const int at = (h + p.pad_h - oh * p.stride_h) * p.kernel_w + w + p.pad_w - ow * p.stride_w;
        const Pack<V> value = load_pack<V>(dz, pixel * v.y_stride + item.c);
        int position[V];
        load_positions<V>(argmax, pixel * v.channels + item.c, position);
        for (int k = 0; k < V; ++k) {
          if (position[k] == at) sum.v[k] += value.v[k];
        }
      }
    }
    put_pack<V>(dx, (n * v.x_plane() + item.pixel) * v.x_stride + item.c, sum, add);
  }
}

bool positions_by_four(const uint8_t* positions) { return reinterpret_cast<uintptr_t>(positions) % 4 == 0; }

}  // namespace

Kernel plan_max_pool(Planner&, const MaxPoolArgs& args) {
  check_args(args);
  const PoolView view = pool_view(args.x, args.y);
  const bool four = by_four(args.x) && by_four(args.y) && by_four(args.epilogue) && positions_by_four(args.argmax);
  const Grid grid = item_grid(view.y_plane() * view.channels / (four ? 4 : 1), view.samples);
  const DeviceEpilogue epilogue = device_epilogue(args.epilogue, {}, args.y.shape);
  return [=](Context& context) {
    launch(four ? max_pool_kernel<4> : max_pool_kernel<1>, grid, item_threads, 0, stream_of(context), view,
           device_pool(args.params), global(args.x), epilogue, global(args.y),
           global(args.argmax, args.y.shape.count()));
  };
}

Kernel plan_max_pool_backward(Planner&, const MaxPoolBackwardArgs& args) {
  check_args(args);
  const PoolView view = pool_view(args.dx, args.dz);
  const bool four = by_four(args.dz) && by_four(args.dx) && positions_by_four(args.argmax);
  const Grid grid = item_grid(view.x_plane() * view.channels / (four ? 4 : 1), view.samples);
  return [=](Context& context) {
    launch(four ? max_pool_backward_kernel<4> : max_pool_backward_kernel<1>, grid, item_threads, 0,
           stream_of(context), view, device_pool(args.params), global(args.dz),
           global(args.argmax, args.dz.shape.count()), args.mode == Accumulate::add, global(args.dx));
  };
}

}  // namespace nad::cuda
