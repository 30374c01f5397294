// Convolution, the plain way: any kernel, stride, padding, dilation, groups and offset, forward and to the data
// (convolution.h has the equation). fp32 products and sums, in the order taps, then channels.
//
// One thread computes one channel of one target pixel; neighbouring threads take neighbouring channels, so source
// values are broadcast and weights and targets are adjacent. It reads source and weights once per element and tap
// (from cache at best): the yardstick and the check of the others, not a way to be fast.
#include "kernels/cuda/backend.h"
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/convolution_finish.h"
#include "kernels/cuda/launch.h"

namespace nad::cuda {

namespace {

constexpr int threads = 256;

// weight: [taps, source channels per group, target channels].
// PRECOND: gather.positions * finish.channels threads at least.
__global__ void __launch_bounds__(threads)
    conv2d_simple_kernel(Source source, Gather gather, Finish finish, Global<const float> weight, int source_channels,
                         int target_channels) {
  const int64_t index = global_index();
  const int c = static_cast<int>(index % finish.channels);
  if (index / finish.channels >= gather.positions) return;
  const Position at(gather, static_cast<int>(index / finish.channels));
  const int first_channel = c / target_channels * source_channels;
  Pack<1> sum = filled<1>(0.0f);
  for (int th = 0; th < gather.taps_h; ++th) {
    const int h = at.h * gather.step_h + gather.base_h + th * gather.tap_step_h;
    if (h < 0 || h >= gather.source_h) continue;
    for (int tw = 0; tw < gather.taps_w; ++tw) {
      const int w = at.w * gather.step_w + gather.base_w + tw * gather.tap_step_w;
      if (w < 0 || w >= gather.source_w) continue;
      const int64_t pixel = (int64_t{at.sample} * gather.source_h + h) * gather.source_w + w;
      const int64_t row = gather.weights + int64_t{th * gather.taps_w + tw} * source_channels * finish.channels + c;
      for (int k = 0; k < source_channels; ++k) {
        Pack<1> value = load_pack<1>(source.data, pixel * source.stride + first_channel + k);
        apply_prologue(source, first_channel + k, value);
        const float factor = weight[row + int64_t{k} * finish.channels];
        sum.v[0] = fmaf(value.v[0], factor, sum.v[0]);
      }
    }
  }
  finish_values(finish, ChannelFactors<1>(finish, c), at.target_pixel(gather), at.sample, c, sum);
}

std::vector<float> pack(Convolution& c) {
  std::vector<float> packed;
  for (size_t g = 0; g < c.gathers.size(); ++g) {
    c.gathers[g].weights = static_cast<int64_t>(packed.size());
    for (const Tap& tap : c.taps[g]) {
      for (int64_t k = 0; k < c.source_channels(); ++k) {
        for (int64_t o = 0; o < c.target_shape.c; ++o) packed.push_back(c.weight_at(o, k, tap));
      }
    }
  }
  return packed;
}

}  // namespace

Kernel conv2d_simple(Planner& planner, const Convolution& convolution) {
  Convolution c = convolution;
  const std::vector<float> packed = pack(c);
  const Buffer buffer = planner.upload_weights(packed.data(), packed.size() * sizeof(float));
  const Global<const float> weight(reinterpret_cast<const float*>(buffer.get()), static_cast<int64_t>(packed.size()));
  c.weight.reset();
  return [c, buffer, weight](Context& context) {
    for (const Gather& gather : c.gathers) {
      launch(conv2d_simple_kernel, blocks_for(gather.positions * c.target_shape.c, threads), threads, 0,
             stream_of(context), c.source, gather, c.finish, weight, static_cast<int>(c.source_channels()),
             static_cast<int>(c.target_channels()));
    }
  };
}

}  // namespace nad::cuda
