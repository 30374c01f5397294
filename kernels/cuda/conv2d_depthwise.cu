// Depthwise convolution (groups = channels), forward and to the data (convolution.h has the equation): every channel
// has its own small kernel. fp32, sums in the order of the taps.
//   bytes: source and target once if caches hold a few rows; the work is loads, not products.
//
// Two kernels:
// - one: a thread computes V channels (1, or 4 with 16-byte accesses) of one target pixel; any taps and steps;
// - strip: a thread computes 4 channels of `strip_width` successive positions of a row. It loads each source value of
//   that stretch once per kernel row instead of once per tap: 6 instead of 12 loads for a 3x3 kernel of stride 1.
// Neighbouring threads take neighbouring channels in both, so accesses are adjacent; weights are [taps, channels].
#include "kernels/cuda/backend.h"
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/convolution_finish.h"
#include "kernels/cuda/launch.h"

namespace nad::cuda {

namespace {

constexpr int threads = 128;
constexpr int strip_width = 4;

// The source at a pixel after the prologue; zeros where `inside` is false.
template <int V>
__device__ inline Pack<V> load_source(const Source& source, int64_t pixel, int c, bool inside) {
  if (!inside) return filled<V>(0.0f);
  Pack<V> x = load_pack<V>(source.data, pixel * source.stride + c);
  apply_prologue(source, c, x);
  return x;
}

// PRECOND: gather.positions * channels / V threads at least; V divides the channels.
template <int V>
__global__ void __launch_bounds__(threads)
    depthwise_one_kernel(Source source, Gather gather, Finish finish, Global<const float> weight) {
  const int groups = source.channels / V;
  const int64_t index = global_index();
  if (index / groups >= gather.positions) return;
  const int c = static_cast<int>(index % groups) * V;
  const Position at(gather, static_cast<int>(index / groups));
  Pack<V> sum = filled<V>(0.0f);
  NAD_NO_UNROLL
  for (int th = 0; th < gather.taps_h; ++th) {
    const int h = at.h * gather.step_h + gather.base_h + th * gather.tap_step_h;
    NAD_NO_UNROLL
    for (int tw = 0; tw < gather.taps_w; ++tw) {
      const int w = at.w * gather.step_w + gather.base_w + tw * gather.tap_step_w;
      const bool inside = h >= 0 && h < gather.source_h && w >= 0 && w < gather.source_w;
      const int64_t pixel = (int64_t{at.sample} * gather.source_h + h) * gather.source_w + w;
      const int64_t tap = gather.weights + int64_t{th * gather.taps_w + tw} * source.channels;
      const Pack<V> x = load_source<V>(source, pixel, c, inside);
      sum = PackMath<V>::multiply_add(x, load_pack<V>(weight, tap + c), sum);
    }
  }
  finish_values(finish, ChannelFactors<V>(finish, c), at.target_pixel(gather), at.sample, c, sum);
}

// PRECOND: Taps x Taps taps, `Step` and `TapStep` in both directions, every = 1; 4 divides the channels; a thread for
// each row, strip and four channels.
template <int Taps, int Step, int TapStep>
__global__ void __launch_bounds__(threads, 3)
    depthwise_strip_kernel(Source source, Gather gather, Finish finish, Global<const float> weight) {
  constexpr int window = (strip_width - 1) * Step + (Taps - 1) * TapStep + 1;  // source columns of a strip
  const int groups = source.channels / 4, strips = (gather.grid_w + strip_width - 1) / strip_width;
  const int64_t index = global_index();
  const int64_t row = index / groups / strips;  // of all samples
  if (row * gather.grid_w >= gather.positions) return;
  const int c = static_cast<int>(index % groups) * 4;
  const int first = static_cast<int>(index / groups % strips) * strip_width;
  const int h0 = static_cast<int>(row % gather.grid_h) * Step + gather.base_h, w0 = first * Step + gather.base_w;
  const auto sample = static_cast<int>(row / gather.grid_h);
  Pack<4> sum[strip_width];
  NAD_UNROLL
  for (Pack<4>& s : sum) s = filled<4>(0.0f);
  NAD_NO_UNROLL
  for (int th = 0; th < Taps; ++th) {
    const int h = h0 + th * TapStep;
    if (h < 0 || h >= gather.source_h) continue;
    const int64_t source_row = (int64_t{sample} * gather.source_h + h) * gather.source_w;
    Pack<4> x[window];
    NAD_UNROLL
    for (int i = 0; i < window; ++i) {
      const int w = w0 + i;
      x[i] = load_source<4>(source, source_row + w, c, w >= 0 && w < gather.source_w);
    }
    NAD_UNROLL
    for (int tw = 0; tw < Taps; ++tw) {
      const Pack<4> factor = load_pack<4>(weight, gather.weights + int64_t{th * Taps + tw} * source.channels + c);
      NAD_UNROLL
      for (int s = 0; s < strip_width; ++s)
        sum[s] = PackMath<4>::multiply_add(x[s * Step + tw * TapStep], factor, sum[s]);
    }
  }
  const ChannelFactors<4> factors(finish, c);
  NAD_UNROLL
  for (int s = 0; s < strip_width; ++s) {
    if (first + s < gather.grid_w) finish_values(finish, factors, row * gather.grid_w + first + s, sample, c, sum[s]);
  }
}

using DepthwiseKernel = void (*)(Source, Gather, Finish, Global<const float>);

// The strip kernel for this gather, or null.
template <int Taps, int Step, int TapStep>
DepthwiseKernel strip_if(const Gather& g) {
  const bool fits = g.taps_h == Taps && g.taps_w == Taps && g.step_h == Step && g.step_w == Step &&
                    g.tap_step_h == TapStep && g.tap_step_w == TapStep && g.every_h == 1 && g.every_w == 1;
  return fits ? depthwise_strip_kernel<Taps, Step, TapStep> : nullptr;
}

DepthwiseKernel choose_strip(const Gather& g) {
  for (DepthwiseKernel kernel :
       {strip_if<3, 1, 1>(g), strip_if<5, 1, 1>(g), strip_if<7, 1, 1>(g), strip_if<3, 2, 1>(g), strip_if<5, 2, 1>(g),
        strip_if<7, 2, 1>(g), strip_if<3, 1, 2>(g), strip_if<5, 1, 2>(g)}) {
    if (kernel) return kernel;
  }
  return nullptr;
}

struct Call {
  DepthwiseKernel kernel;
  int64_t threads;
  Gather gather;
};

Call choose(const Convolution& c, const Gather& g) {
  const int64_t channels = c.target_shape.c;
  if (!c.source.vectors || !c.finish.vectors) return {depthwise_one_kernel<1>, g.positions * channels, g};
  if (const DepthwiseKernel strip = choose_strip(g)) {
    const int64_t rows = g.positions / g.grid_w;
    return {strip, rows * ceil_div(g.grid_w, strip_width) * (channels / 4), g};
  }
  return {depthwise_one_kernel<4>, g.positions * (channels / 4), g};
}

// For every gather [taps, channels].
std::vector<float> pack(Convolution& c) {
  std::vector<float> packed;
  for (size_t g = 0; g < c.gathers.size(); ++g) {
    c.gathers[g].weights = static_cast<int64_t>(packed.size());
    for (const Tap& tap : c.taps[g]) {
      for (int64_t o = 0; o < c.target_shape.c; ++o) packed.push_back(c.weight_at(o, 0, tap));
    }
  }
  return packed;
}

}  // namespace

Kernel conv2d_depthwise(Planner& planner, const Convolution& convolution) {
  Convolution c = convolution;
  if (c.groups == 1 || c.groups != c.source_shape.c || c.groups != c.target_shape.c) return {};
  const std::vector<float> packed = pack(c);
  const Buffer buffer = planner.upload_weights(packed.data(), packed.size() * sizeof(float));
  const Global<const float> weight(reinterpret_cast<const float*>(buffer.get()), static_cast<int64_t>(packed.size()));
  std::vector<Call> calls;
  for (const Gather& g : c.gathers) calls.push_back(choose(c, g));
  return [calls, weight, buffer, source = c.source, finish = c.finish, buffers = c.buffers](Context& context) {
    for (const Call& call : calls) {
      launch(call.kernel, blocks_for(call.threads, threads), threads, 0, stream_of(context), source, call.gather,
             finish, weight);
    }
  };
}

}  // namespace nad::cuda
