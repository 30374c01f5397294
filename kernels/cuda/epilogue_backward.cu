// From the gradient at y = gate * (relu ? max(z, 0) : z) back to z and to the gate, with the loss tap on y, at once:
//   t  = dy + 2 * tap_scale * tap_weight[n] * (y - tap_target)
//   dz = gate * t * (relu ? y != 0 : 1)
//   dgate[row, c] = sum over the row's samples and pixels of t * y / gate      (0 where gate = 0)
//   tap_sum[n] = sum over pixels and channels of (y - tap_target)^2              (where conv2d has not summed it)
// Moves 12 bytes per element (16 with a tap): bound by memory.
//
// Stage 1, a block per sample, chunk of pixels and tile of 32 * V channels: writes dz and the block's sums in double.
// Stage 2 adds the blocks' sums in a fixed order: dgate over the samples of a row and their chunks, tap_sum over
// chunks and tiles. Chunks and tiles depend on the plane alone, and there are no atomics on numbers: a sample's and a
// row's bytes do not depend on what else is in the batch.
#include <algorithm>

#include "engine/op_checks.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/block_reduce.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

constexpr int pixel_rows = 8;  // threads of a block along pixels; 32 along channels
constexpr int threads = warp_size * pixel_rows;
constexpr int64_t chunk_pixels = 256;

struct EpilogueBackwardView {
  Global<const float> dy, y, tap_target;  // [N, H, W, C]; tap_target may be null
  Global<float> dz;                       // [N, H, W, C] or null; may be dy's memory
  Global<const float> table;              // [rows, C] or null
  Global<const int32_t> row;              // [N]
  Global<const float> tap_weight;         // [N]
  Global<double> gate_partial;            // [N, chunks, C]
  Global<double> tap_partial;             // [N, chunks, tiles] or null
  int64_t dy_stride, y_stride, tap_target_stride, dz_stride, table_stride;
  int64_t samples, plane;
  int channels, chunks, tiles;
  float tap_scale;  // twice EpilogueBackwardArgs::tap_scale
  bool relu;
};

// What a thread adds up over its pixels.
template <int V>
struct Sums {
  double gate[V] = {};
  double square = 0;
};

// One pixel's V channels: writes dz, adds to the sums.
template <int V>
__device__ inline void backward_pixel(const EpilogueBackwardView& a, int64_t pixel, int c, const Pack<V>& g,
                                      float tap, Sums<V>& sums) {
  const Pack<V> y = load_pack<V>(a.y, pixel * a.y_stride + c);
  Pack<V> t = load_pack<V>(a.dy, pixel * a.dy_stride + c);
  if (a.tap_target) {
    const Pack<V> target = load_pack<V>(a.tap_target, pixel * a.tap_target_stride + c);
    for (int k = 0; k < V; ++k) {
      const float difference = y.v[k] - target.v[k];
      t.v[k] += tap * difference;
      sums.square += static_cast<double>(difference) * static_cast<double>(difference);
    }
  }
  if (a.table) {
    for (int k = 0; k < V; ++k) sums.gate[k] += static_cast<double>(t.v[k]) * static_cast<double>(y.v[k]);
  }
  if (!a.dz) return;
  for (int k = 0; k < V; ++k) t.v[k] = a.relu && y.v[k] == 0.0f ? 0.0f : g.v[k] * t.v[k];
  store_pack<V>(a.dz, pixel * a.dz_stride + c, t);
}

// grid: (channel tiles, chunks, samples). PRECOND: V = 4: all views and the table allow 16-byte accesses.
template <int V>
__global__ void __launch_bounds__(threads) epilogue_backward_kernel(EpilogueBackwardView a) {
  NAD_SHARED(double, gate_sums, pixel_rows* warp_size* V);
  NAD_SHARED(double, tap_sums, pixel_rows);
  const int c = (static_cast<int>(blockIdx.x) * warp_size + lane_index()) * V;
  const int64_t first = blockIdx.y * chunk_pixels;
  const int64_t end = first + chunk_pixels < a.plane ? first + chunk_pixels : a.plane;
  for (int64_t n = blockIdx.z; n < a.samples; n += gridDim.z) {
    Sums<V> sums;
    Pack<V> g;
    for (int k = 0; k < V; ++k) g.v[k] = 1.0f;
    if (c < a.channels) {
      if (a.table) {
        const int32_t row = a.row[n];
        g = load_pack<V>(a.table, row * a.table_stride + c);
      }
      const float tap = a.tap_target ? a.tap_scale * a.tap_weight[n] : 0.0f;
      for (int64_t p = first + warp_index(); p < end; p += pixel_rows) {
        backward_pixel<V>(a, n * a.plane + p, c, g, tap, sums);
      }
    }
    const int64_t chunk = n * a.chunks + blockIdx.y;
    if (a.table) {
      for (int k = 0; k < V; ++k) gate_sums[(warp_index() * V + k) * warp_size + lane_index()] = sums.gate[k];
      __syncthreads();
      // V * 32 columns, added over the pixel rows; t * y / gate has its division here, once per channel.
      for (int k = warp_index(); k < V; k += pixel_rows) {
        double sum = 0;
        for (int r = 0; r < pixel_rows; ++r) sum += gate_sums[(r * V + k) * warp_size + lane_index()];
        const double divisor = static_cast<double>(g.v[k]);
        if (c < a.channels) a.gate_partial[chunk * a.channels + c + k] = divisor == 0 ? 0.0 : sum / divisor;
      }
    }
    if (a.tap_partial) {
      const double square = block_sum<pixel_rows>(sums.square, tap_sums);
      if (threadIdx.x == 0) a.tap_partial[chunk * a.tiles + blockIdx.x] = square;
    }
    __syncthreads();  // the shared arrays are free for the next sample
  }
}

// dgate[r, c] = sum over the samples of row r and their chunks, in order. grid: (channels, rows).
// PRECOND: samples of one row are adjacent. A row without samples is left as it is.
__global__ void __launch_bounds__(threads)
    gate_gradient_kernel(Global<const double> partial, Global<const int32_t> row, int64_t samples, int chunks,
                         int channels, Global<float> dgate, int64_t dgate_stride) {
  NAD_SHARED(int, span, 2);  // first sample of the row, number of its samples
  if (threadIdx.x == 0) span[0] = 0x7fffffff, span[1] = 0;
  __syncthreads();
  for (int64_t n = threadIdx.x; n < samples; n += threads) {
    const int32_t r = row[n];
    if (r != static_cast<int32_t>(blockIdx.y)) continue;
    atomic_min(span, 0, static_cast<int>(n));
    atomic_add(span, 1, 1);
  }
  __syncthreads();
  const int64_t c = global_index();
  const int64_t begin = int64_t{span[0]} * chunks, count = int64_t{span[1]} * chunks;
  if (count == 0 || c >= channels) return;
  double sum = 0;
  for (int64_t i = begin; i < begin + count; ++i) sum += partial[i * channels + c];
  dgate[blockIdx.y * dgate_stride + c] = static_cast<float>(sum);
}

// tap_sum[n] = sum over the sample's blocks. A warp per sample.
__global__ void __launch_bounds__(warp_size)
    tap_sum_kernel(Global<const double> partial, int64_t blocks, Global<double> tap_sum) {
  const int64_t n = blockIdx.x;
  double sum = 0;
  for (int64_t i = lane_index(); i < blocks; i += warp_size) sum += partial[n * blocks + i];
  sum = warp_sum(sum);
  if (lane_index() == 0) tap_sum[n] = sum;
}

EpilogueBackwardView view_of(const EpilogueBackwardArgs& args, bool four) {
  const Shape& s = args.y.shape;
  EpilogueBackwardView v{};
  v.dy = global(args.dy);
  v.y = global(args.y);
  v.tap_target = global(args.tap_target);
  v.dz = global(args.dz);
  v.table = global(args.gate, s.c);
  v.table_stride = args.gate.stride;
  v.row = global(args.gate.row, s.n);
  v.tap_weight = global(args.tap_weight, s.n);
  v.dy_stride = args.dy.stride;
  v.y_stride = args.y.stride;
  v.tap_target_stride = args.tap_target.stride;
  v.dz_stride = args.dz.stride;
  v.samples = s.n;
  v.plane = s.h * s.w;
  v.channels = static_cast<int>(s.c);
  v.chunks = static_cast<int>(ceil_div(v.plane, chunk_pixels));
  v.tiles = static_cast<int>(ceil_div(s.c, warp_size * (four ? 4 : 1)));
  v.tap_scale = 2.0f * args.tap_scale;
  v.relu = args.relu;
  return v;
}

}  // namespace

Kernel plan_epilogue_backward(Planner& planner, const EpilogueBackwardArgs& args) {
  check_args(args);
  const bool four =
      by_four(args.dy) && by_four(args.y) && by_four(args.tap_target) && by_four(args.dz) && by_four(args.gate);
  const EpilogueBackwardView view = view_of(args, four);
  const int64_t gate_sums = args.gate ? view.samples * view.chunks * view.channels : 0;
  const int64_t tap_sums = args.tap_target && args.tap_sum ? view.samples * view.chunks * view.tiles : 0;
  planner.reserve_scratch(sizeof(double) * static_cast<size_t>(gate_sums + tap_sums));
  const Grid grid(view.tiles, view.chunks, std::min<int64_t>(view.samples, 65535));
  return [=](Context& context) {
    EpilogueBackwardView v = view;
    auto* scratch = reinterpret_cast<double*>(context.scratch());
    v.gate_partial = gate_sums ? Global<double>(scratch, gate_sums) : Global<double>();
    v.tap_partial = tap_sums ? Global<double>(scratch + gate_sums, tap_sums) : Global<double>();
    const cudaStream_t stream = stream_of(context);
    launch(four ? epilogue_backward_kernel<4> : epilogue_backward_kernel<1>, grid, threads, 0, stream, v);
    if (args.gate) {
      launch(gate_gradient_kernel, Grid(blocks_for(v.channels, threads), args.gate.rows), threads, 0, stream,
             v.gate_partial, v.row, v.samples, v.chunks, v.channels,
             global(args.dgate, table_length(args.gate, v.channels)), args.gate.stride);
    }
    if (tap_sums) {
      launch(tap_sum_kernel, v.samples, warp_size, 0, stream, v.tap_partial, int64_t{v.chunks} * v.tiles,
             global(args.tap_sum, v.samples));
    }
  };
}

}  // namespace nad::cuda
