// BatchNorm with the batch's statistics, forward and backward; equations in engine/ops.h.
// Forward reads x twice and writes y: 12 bytes per element; backward reads dy and x twice and writes dx: 20. Bound by
// memory. Three kernels each way:
//   1. a block per 1024 pixels and 32 channels adds two numbers per channel in double: x - shift and its square,
//      shift being the channel's first value (a large mean does not cancel); backward t and t * xhat
//   2. a thread per channel adds the blocks' sums in order and finishes the channel's numbers, forward also in
//      double, in place of the first block's sums
//   3. a thread per element writes y or dx
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
  Global<const float> x, dy, y;  // [N, H, W, C]; backward: dy, and y with a ReLU
  Global<const float> gamma, beta;
  Global<float> mean, rstd;  // [C]
  Global<float> out;         // y forward, dx backward
  Global<double> partial;    // [2, chunks, C]
  int64_t x_stride, dy_stride, y_stride, out_stride, pixels, chunks;
  int channels;
  bool relu, add;
};

__device__ inline double value_of(const Global<const float>& x, int64_t i) {
  const float v = x[i];
  return static_cast<double>(v);
}

// The two summands of one element.
struct Summands {
  double one, two;
};
__device__ inline Summands forward_summands(const NormView& a, int64_t pixel, int c) {
  const double difference = value_of(a.x, pixel * a.x_stride + c) - value_of(a.x, c);
  return {difference, difference * difference};
}
__device__ inline double gradient(const NormView& a, int64_t pixel, int c) {
  if (a.y) {
    const float y = a.y[pixel * a.y_stride + c];
    if (y == 0.0f) return 0;
  }
  return value_of(a.dy, pixel * a.dy_stride + c);
}
__device__ inline double normal(const NormView& a, int64_t pixel, int c) {
  const float mean = a.mean[c], rstd = a.rstd[c];
  return (value_of(a.x, pixel * a.x_stride + c) - static_cast<double>(mean)) * static_cast<double>(rstd);
}

// grid: (channel tiles, chunks).
template <bool Backward>
__global__ void __launch_bounds__(threads) sum_kernel(NormView a) {
  NAD_SHARED(double, sums, 2 * threads);
  const int c = static_cast<int>(blockIdx.x) * warp_size + lane_index();
  for (int64_t chunk = blockIdx.y; chunk < a.chunks; chunk += gridDim.y) {
    const int64_t first = chunk * chunk_pixels;
    const int64_t end = first + chunk_pixels < a.pixels ? first + chunk_pixels : a.pixels;
    double one = 0, two = 0;
    for (int64_t p = first + warp_index(); p < end && c < a.channels; p += pixel_rows) {
      if constexpr (Backward) {
        const double t = gradient(a, p, c);
        one += t;
        two += t * normal(a, p, c);
      } else {
        const Summands s = forward_summands(a, p, c);
        one += s.one;
        two += s.two;
      }
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

__global__ void __launch_bounds__(threads)
    statistics_kernel(NormView a, double epsilon, double momentum, Global<float> running_mean,
                      Global<float> running_variance) {
  const int64_t c = global_index();
  if (c >= a.channels) return;
  const double count = static_cast<double>(a.pixels), shifted = total(a, 0, c) / count;
  const double mean = shifted + value_of(a.x, c);
  const double rest = total(a, 1, c) - shifted * shifted * count, square = rest > 0 ? rest : 0;
  a.mean[c] = static_cast<float>(mean);
  const double rstd = 1 / sqrt(square / count + epsilon);
  a.rstd[c] = static_cast<float>(rstd);
  a.partial[c] = mean;  // for normalize_kernel: a mean of 500 in single precision would cost digits of x - mean
  a.partial[a.chunks * a.channels + c] = rstd;
  if (!running_mean) return;
  const float old_mean = running_mean[c], old_variance = running_variance[c];
  const double unbiased = a.pixels > 1 ? square / (count - 1) : square / count;
  running_mean[c] = static_cast<float>((1 - momentum) * static_cast<double>(old_mean) + momentum * mean);
  running_variance[c] = static_cast<float>((1 - momentum) * static_cast<double>(old_variance) + momentum * unbiased);
}

__global__ void __launch_bounds__(threads)
    parameter_gradient_kernel(NormView a, Global<float> dgamma, Global<float> dbeta) {
  const int64_t c = global_index();
  if (c >= a.channels) return;
  dbeta[c] = static_cast<float>(total(a, 0, c));
  dgamma[c] = static_cast<float>(total(a, 1, c));
}

// grid: elements, in 32-bit numbers of blocks.
__global__ void __launch_bounds__(threads) normalize_kernel(NormView a) {
  const int64_t i = global_index();
  if (i >= a.pixels * a.channels) return;
  const int64_t pixel = i / a.channels;
  const int c = static_cast<int>(i % a.channels);
  const double mean = a.partial[c], rstd = a.partial[a.chunks * a.channels + c];
  const auto xhat = static_cast<float>((value_of(a.x, pixel * a.x_stride + c) - mean) * rstd);
  const float gamma = a.gamma[c], beta = a.beta[c], z = gamma * xhat + beta;
  a.out[pixel * a.out_stride + c] = a.relu ? relu(z) : z;
}

__global__ void __launch_bounds__(threads)
    gradient_kernel(NormView a, Global<const float> dgamma, Global<const float> dbeta) {
  const int64_t i = global_index();
  if (i >= a.pixels * a.channels) return;
  const int64_t pixel = i / a.channels;
  const int c = static_cast<int>(i % a.channels);
  const float gamma = a.gamma[c], rstd = a.rstd[c];
  const double count = static_cast<double>(a.pixels);
  const double inner =
      gradient(a, pixel, c) - value_of(dbeta, c) / count - normal(a, pixel, c) * value_of(dgamma, c) / count;
  const auto value = static_cast<float>(static_cast<double>(gamma) * static_cast<double>(rstd) * inner);
  const int64_t to = pixel * a.out_stride + c;
  a.out[to] = a.add ? static_cast<float>(a.out[to]) + value : value;
}

NormView view_of(const CTensor& x, const Tensor& out) {
  NormView v{};
  v.x = global(x);
  v.out = global(out);
  v.x_stride = x.stride;
  v.out_stride = out.stride;
  v.pixels = x.shape.pixels();
  v.chunks = ceil_div(v.pixels, chunk_pixels);
  v.channels = static_cast<int>(x.shape.c);
  return v;
}

size_t partial_bytes(const NormView& v) { return sizeof(double) * static_cast<size_t>(2 * v.chunks * v.channels); }

NormView with_scratch(NormView v, Context& context) {
  v.partial = Global<double>(reinterpret_cast<double*>(context.scratch()), 2 * v.chunks * v.channels);
  return v;
}

Grid sum_grid(const NormView& v) { return Grid(ceil_div(v.channels, warp_size), std::min<int64_t>(v.chunks, 65535)); }

}  // namespace

Kernel plan_batch_norm(Planner& planner, const BatchNormArgs& args) {
  check_args(args);
  NormView view = view_of(args.x, args.y);
  view.gamma = global(args.gamma, view.channels);
  view.beta = global(args.beta, view.channels);
  view.mean = global(args.mean, view.channels);
  view.rstd = global(args.rstd, view.channels);
  view.relu = args.relu;
  planner.reserve_scratch(partial_bytes(view));
  return [view, args](Context& context) {
    const NormView v = with_scratch(view, context);
    const cudaStream_t stream = stream_of(context);
    launch(sum_kernel<false>, sum_grid(v), threads, 0, stream, v);
    launch(statistics_kernel, blocks_for(v.channels, threads), threads, 0, stream, v,
           static_cast<double>(args.epsilon), static_cast<double>(args.momentum),
           global(args.running_mean, v.channels), global(args.running_variance, v.channels));
    launch(normalize_kernel, blocks_for(v.pixels * v.channels, threads), threads, 0, stream, v);
  };
}

Kernel plan_batch_norm_backward(Planner& planner, const BatchNormBackwardArgs& args) {
  check_args(args);
  NormView view = view_of(args.x, args.dx);
  view.dy = global(args.dy);
  view.y = global(args.y);
  view.dy_stride = args.dy.stride;
  view.y_stride = args.y.stride;
  view.gamma = global(args.gamma, view.channels);
  view.mean = global(const_cast<float*>(args.mean), view.channels);  // the view is written forward only
  view.rstd = global(const_cast<float*>(args.rstd), view.channels);
  view.add = args.mode == Accumulate::add;
  planner.reserve_scratch(partial_bytes(view));
  return [view, args](Context& context) {
    const NormView v = with_scratch(view, context);
    const cudaStream_t stream = stream_of(context);
    const Global<float> dgamma = global(args.dgamma, v.channels), dbeta = global(args.dbeta, v.channels);
    launch(sum_kernel<true>, sum_grid(v), threads, 0, stream, v);
    launch(parameter_gradient_kernel, blocks_for(v.channels, threads), threads, 0, stream, v, dgamma, dbeta);
    launch(gradient_kernel, blocks_for(v.pixels * v.channels, threads), threads, 0, stream, v, dgamma, dbeta);
  };
}

}  // namespace nad::cuda
