// BatchNorm by the batch's statistics; equation in engine/ops.h.
// Reads x twice and writes y: 12 bytes per element, bound by memory. Three kernels:
//   1. a block per 1024 pixels and 32 channels adds two numbers per channel in double: x - shift and its square,
//      shift being the channel's first value (a large mean does not cancel)
//   2. a thread per channel adds the blocks' sums in order and finishes the channel's numbers, also in double, in place
//      of the first block's sums
//   3. a thread per element writes y
#include <algorithm>

#include "engine/op_checks.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

constexpr int pixel_rows = 8;
constexpr int threads = warp_size * pixel_rows;
constexpr int64_t chunk_pixels = 1024;

struct NormView {
  Global<const float> x;         // [N, H, W, C]
  Global<float> y;               // the same
  Global<float> mean, variance;  // [C]
  Global<double> partial;        // [2, chunks, C]
  int64_t x_stride, y_stride, pixels, chunks;
  int channels;
};

__device__ inline double value_of(const Global<const float>& x, int64_t i) {
  const float v = x[i];
  return static_cast<double>(v);
}

// grid: (channel tiles, chunks).
__global__ void __launch_bounds__(threads) sum_kernel(NormView a) {
  NAD_SHARED(double, sums, 2 * threads);
  const int c = static_cast<int>(blockIdx.x) * warp_size + lane_index();
  for (int64_t chunk = blockIdx.y; chunk < a.chunks; chunk += gridDim.y) {
    const int64_t first = chunk * chunk_pixels;
    const int64_t end = first + chunk_pixels < a.pixels ? first + chunk_pixels : a.pixels;
    double one = 0, two = 0;
    for (int64_t p = first + warp_index(); p < end && c < a.channels; p += pixel_rows) {
      const double difference = value_of(a.x, p * a.x_stride + c) - value_of(a.x, c);
      one += difference;
      two += difference * difference;
    }
    sums[threadIdx.x] = one;
    sums[threads + threadIdx.x] = two;
    __syncthreads();
    for (int k = warp_index(); k < 2 && c < a.channels; k += pixel_rows) {
      double sum = 0;
      for (int r = 0; r < pixel_rows; ++r) sum += sums[k * threads + r * warp_size + lane_index()];
      a.partial[(k * a.chunks + chunk) * a.channels + c] = sum;
    }
    __syncthreads();
  }
}

__device__ inline double total(const NormView& a, int which, int64_t c) {
  double sum = 0;
  for (int64_t i = 0; i < a.chunks; ++i) sum += a.partial[(which * a.chunks + i) * a.channels + c];
  return sum;
}

__global__ void __launch_bounds__(threads) statistics_kernel(NormView a, double epsilon) {
  const int64_t c = global_index();
  if (c >= a.channels) return;
  const double count = static_cast<double>(a.pixels), shifted = total(a, 0, c) / count;
  const double mean = shifted + value_of(a.x, c);
  const double rest = total(a, 1, c) / count - shifted * shifted, variance = rest > 0 ? rest : 0;
  a.mean[c] = static_cast<float>(mean);
  a.variance[c] = static_cast<float>(variance);
  a.partial[c] = mean;  // for normalise_kernel: a mean of 500 in single precision would cost digits of x - mean
  a.partial[a.chunks * a.channels + c] = 1 / sqrt(variance + epsilon);
}

// grid: elements, in 32-bit numbers of blocks.
__global__ void __launch_bounds__(threads) normalise_kernel(NormView a) {
  const int64_t i = global_index();
  if (i >= a.pixels * a.channels) return;
  const int64_t pixel = i / a.channels;
  const int c = static_cast<int>(i % a.channels);
  const double mean = a.partial[c], factor = a.partial[a.chunks * a.channels + c];
  a.y[pixel * a.y_stride + c] = static_cast<float>((value_of(a.x, pixel * a.x_stride + c) - mean) * factor);
}

}  // namespace

Kernel plan_batch_norm(Planner& planner, const BatchNormArgs& args) {
  check_args(args);
  NormView view{};
  view.x = global(args.x);
  view.y = global(args.y);
  view.x_stride = args.x.stride;
  view.y_stride = args.y.stride;
  view.pixels = args.x.shape.pixels();
  view.chunks = ceil_div(view.pixels, chunk_pixels);
  view.channels = static_cast<int>(args.x.shape.c);
  view.mean = global(args.mean, view.channels);
  view.variance = global(args.variance, view.channels);
  const int64_t sums = 2 * view.chunks * view.channels;
  planner.reserve_scratch(sizeof(double) * static_cast<size_t>(sums));
  return [view, sums, epsilon = args.epsilon](Context& context) {
    NormView v = view;
    v.partial = Global<double>(reinterpret_cast<double*>(context.scratch()), sums);
    const cudaStream_t stream = stream_of(context);
    const Grid grid(ceil_div(v.channels, warp_size), std::min<int64_t>(v.chunks, 65535));
    launch(sum_kernel, grid, threads, 0, stream, v);
    launch(statistics_kernel, blocks_for(v.channels, threads), threads, 0, stream, v, epsilon);
    launch(normalise_kernel, blocks_for(v.pixels * v.channels, threads), threads, 0, stream, v);
  };
}

}  // namespace nad::cuda
