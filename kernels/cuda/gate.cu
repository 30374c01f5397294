// Gate: y[r*N + n] = g * x[n], then max(., 0) where relu is set, for r < repeat; g = table[row[r*N + n], c].
// Reads x once per repeat (from the second on out of the L2 cache) and writes y once: bound by memory.
//
// One thread per output pixel and V channels: V = 1 serves every view, V = 4 moves 16 bytes per access.
#include "engine/op_checks.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

struct GateView {
  Global<const float> x;                               // [N, H, W, C]
  Global<const float> table;                           // [rows, C]
  int64_t table_stride;                                // floats from row to row
  Global<const int32_t> row;                           // [repeat * N]
  Global<float> y;                                     // [repeat * N, H, W, C]
  int64_t x_stride, y_stride, samples, repeat, plane;  // samples: N
  int channels;
  bool relu;
};

// PRECOND: plane * channels / V < 2^31; V = 4: all views and the table allow 16-byte accesses.
template <int V>
__global__ void __launch_bounds__(item_threads) gate_kernel(GateView a) {
  const int64_t index = global_index();
  if (index >= a.plane * (a.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), a.channels);
  for (int64_t n = blockIdx.y; n < a.repeat * a.samples; n += gridDim.y) {
    const int64_t from = n % a.samples * a.plane + item.pixel;
    const int32_t row = a.row[n];
    Pack<V> z = load_pack<V>(a.x, from * a.x_stride + item.c);
    const Pack<V> g = load_pack<V>(a.table, row * a.table_stride + item.c);
    for (int k = 0; k < V; ++k) {
      z.v[k] *= g.v[k];
      if (a.relu) z.v[k] = relu(z.v[k]);
    }
    store_pack<V>(a.y, (n * a.plane + item.pixel) * a.y_stride + item.c, z);
  }
}

}  // namespace

Kernel plan_gate(Planner&, const GateArgs& args) {
  check_args(args);
  const Shape& s = args.x.shape;
  const GateView view = {global(args.x),        global(args.gate, s.c),
                         args.gate.stride,      global(args.gate.row, args.y.shape.n),
                         global(args.y),        args.x.stride,
                         args.y.stride,         s.n,
                         args.repeat,           s.h * s.w,
                         static_cast<int>(s.c), args.relu};
  const bool four = by_four(args.x) && by_four(args.y) && by_four(args.gate);
  const Grid grid = item_grid(view.plane * view.channels / (four ? 4 : 1), args.y.shape.n);
  return [view, four, grid](Context& context) {
    launch(four ? gate_kernel<4> : gate_kernel<1>, grid, item_threads, 0, stream_of(context), view);
  };
}

}  // namespace nad::cuda
