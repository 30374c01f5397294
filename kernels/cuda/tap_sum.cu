// Reads y once (stage 1, 8 bytes per difference) and 1/16 of that again (stage 2): bound by memory.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/block_reduce.h"
#include "kernels/cuda/tap_sum.h"

namespace nad::cuda {

namespace {

constexpr int threads = 256;

// A warp per partial sum, a lane per channel. y: [2 * pairs, channels], pixels `stride` elements apart.
__global__ void __launch_bounds__(threads)
    tap_squares_kernel(Global<const float> y, int64_t stride, int64_t pairs, int channels, Global<float> partial) {
  const int slices = tap_slices(channels);
  const int64_t item = global_index() / warp_size;
  if (item >= pairs * slices) return;
  const int64_t p = item / slices;
  const int c = static_cast<int>(item % slices) * tap_slice + lane_index();
  float square = 0;
  if (c < channels) {
    const float difference = y[(pairs + p) * stride + c] - y[p * stride + c];
    square = difference * difference;
  }
  square = warp_sum(square);
  if (lane_index() == 0) partial[item] = square;
}

// A block per sample.
__global__ void __launch_bounds__(threads)
    tap_sum_kernel(Global<const float> partial, int64_t per_sample, Global<double> tap_sum) {
  NAD_SHARED(double, warps, threads / warp_size);
  const int64_t first = blockIdx.x * per_sample;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < per_sample; i += threads) {
    const float value = partial[first + i];
    sum += static_cast<double>(value);
  }
  sum = block_sum<threads / warp_size>(sum, warps);
  if (threadIdx.x == 0) tap_sum[blockIdx.x] = sum;
}

}  // namespace

TapSum::TapSum(Planner& planner, const Convolution& c)
    : tap_sum_(c.tap_sum),
      samples_(c.target_shape.n / 2),
      per_sample_(c.target_shape.h * c.target_shape.w * tap_slices(c.finish.channels)) {
  planner.reserve_scratch(sizeof(float) * static_cast<size_t>(samples_ * per_sample_));
}

Global<float> TapSum::partial(Context& context) const {
  return {reinterpret_cast<float*>(context.scratch()), samples_ * per_sample_};
}

void TapSum::finish(Context& context) const {
  launch(tap_sum_kernel, samples_, threads, 0, stream_of(context), partial(context), per_sample_,
         global(tap_sum_, samples_));
}

Kernel with_tap_sum(Planner& planner, const Convolution& c, Kernel kernel) {
  if (!c.tap_sum || !kernel) return kernel;
  const TapSum tap(planner, c);
  const int64_t pairs = c.target_shape.pixels() / 2;
  const int64_t warps = pairs * tap_slices(c.finish.channels);
  return [kernel, tap, pairs, warps, y = c.finish](Context& context) {
    kernel(context);
    launch(tap_squares_kernel, blocks_for(warps * warp_size, threads), threads, 0, stream_of(context), y.target,
           y.stride, pairs, y.channels, tap.partial(context));
    tap.finish(context);
  };
}

}  // namespace nad::cuda
