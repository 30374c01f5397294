// Per group and channel, over the valid samples and pixels of the original representation R, s = softplus(sigma):
//   sum_square = sum R^2,  sum_log = sum log((s R)^2 + 1e-6),  sum_ratio = sum R^2 / ((s R)^2 + 1e-6)
// Reads 4 bytes per element: bound by memory, with sigma by the logarithms (single precision, sums in double).
//
// Stage 1: a block per sample, chunk of pixels and 32 channels. Stage 2: a thread per group and channel adds the
// blocks' sums over the valid samples in order.
#include <algorithm>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/gate_math.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int pixel_rows = 8;
constexpr int threads = warp_size * pixel_rows;
constexpr int64_t chunk_pixels = 256;
constexpr float variance_floor = 1e-6f;

struct StatisticsView {
  Global<const float> original;  // [N, H, W, C]
  Global<const float> sigma;     // [G, C] or null
  Global<double> partial;        // [3 or 1, N, chunks, C]: squares, then logarithms and ratios
  int64_t stride, samples, plane, batch;
  int channels, chunks;
};

// One column of a block's sums, over the pixel rows; valid in warp 0.
__device__ inline double column_sum(double value, const Shared<double>& sums) {
  __syncthreads();
  sums[threadIdx.x] = value;
  __syncthreads();
  double sum = 0;
  for (int r = 0; r < pixel_rows && warp_index() == 0; ++r) sum += sums[r * warp_size + lane_index()];
  return sum;
}

// grid: (channel tiles, chunks, samples).
__global__ void __launch_bounds__(threads) gate_statistics_kernel(StatisticsView a) {
  NAD_SHARED(double, sums, threads);
  const int c = static_cast<int>(blockIdx.x) * warp_size + lane_index();
  const int64_t first = blockIdx.y * chunk_pixels;
  const int64_t end = first + chunk_pixels < a.plane ? first + chunk_pixels : a.plane;
  const int64_t part = a.samples * a.chunks * a.channels;
  for (int64_t n = blockIdx.z; n < a.samples; n += gridDim.z) {
    double square = 0, log_sum = 0, ratio = 0;
    if (c < a.channels) {
      float spread = 0;
      if (a.sigma) {
        const float sigma = a.sigma[n / a.batch * a.channels + c];
        spread = static_cast<float>(softplus(static_cast<double>(sigma)));
      }
      for (int64_t p = first + warp_index(); p < end; p += pixel_rows) {
        const float r = a.original[(n * a.plane + p) * a.stride + c];
        square += static_cast<double>(r) * static_cast<double>(r);
        if (!a.sigma) continue;
        const float variance = spread * r * (spread * r) + variance_floor;
        log_sum += static_cast<double>(logf(variance));
        ratio += static_cast<double>(r * r / variance);
      }
    }
    const int64_t to = (n * a.chunks + blockIdx.y) * a.channels + c;
    const bool writes = warp_index() == 0 && c < a.channels;
    square = column_sum(square, sums);
    if (writes) a.partial[to] = square;
    if (!a.sigma) continue;
    log_sum = column_sum(log_sum, sums);
    if (writes) a.partial[part + to] = log_sum;
    ratio = column_sum(ratio, sums);
    if (writes) a.partial[2 * part + to] = ratio;
  }
}

// grid: (channels, groups, sums). result[g, c] = sum over the group's first valid[g] samples and their chunks.
__global__ void __launch_bounds__(threads)
    add_statistics_kernel(Global<const double> partial, Global<const int32_t> valid, int64_t samples, int64_t batch,
                          int chunks, int channels, Global<double> square, Global<double> log_sum,
                          Global<double> ratio) {
  const int64_t c = global_index(), g = blockIdx.y;
  if (c >= channels) return;
  const int32_t counted = valid[g];
  const int64_t first = (blockIdx.z * samples + g * batch) * chunks;
  double sum = 0;
  for (int64_t i = first; i < first + int64_t{counted} * chunks; ++i) sum += partial[i * channels + c];
  const Global<double> result = blockIdx.z == 0 ? square : blockIdx.z == 1 ? log_sum : ratio;
  result[g * channels + c] = sum;
}

}  // namespace

Kernel plan_gate_statistics(Planner& planner, const GateStatisticsArgs& args) {
  check_args(args);
  const Shape& s = args.original.shape;
  const int64_t values = args.groups.count * s.c, sums = args.sigma ? 3 : 1;
  StatisticsView view{};
  view.original = global(args.original);
  view.sigma = global(args.sigma, values);
  view.stride = args.original.stride;
  view.samples = s.n;
  view.plane = s.h * s.w;
  view.batch = args.groups.batch;
  view.channels = static_cast<int>(s.c);
  view.chunks = static_cast<int>(ceil_div(view.plane, chunk_pixels));
  const int64_t count = sums * s.n * view.chunks * s.c;
  planner.reserve_scratch(sizeof(double) * static_cast<size_t>(count));
  return [=](Context& context) {
    StatisticsView v = view;
    v.partial = Global<double>(reinterpret_cast<double*>(context.scratch()), count);
    launch(gate_statistics_kernel,
           Grid(ceil_div(v.channels, warp_size), v.chunks, std::min<int64_t>(v.samples, 65535)), threads, 0,
           stream_of(context), v);
    launch(add_statistics_kernel, Grid(blocks_for(v.channels, threads), args.groups.count, sums), threads, 0,
           stream_of(context), v.partial, global(args.groups.valid, args.groups.count), v.samples, v.batch, v.chunks,
           v.channels, global(args.sum_square, values), global(args.sum_log, values), global(args.sum_ratio, values));
  };
}

}  // namespace nad::cuda
