// GPU rung 1: one thread an output.
//
// What the CPU does one after the other, some hundred thousand threads do at once: while one waits for its loads and for
// its last sum, others have theirs. The equation needs no more than that to be many times as fast as on a core.
//
// The 32 threads of a warp compute 32 neighbouring channels of one pixel. Their value of x is the same, one load serves
// all. But their weights lie channels * 9 floats apart, so that a load of the warp touches 32 cache lines and takes 4
// bytes of each. And every product still costs two loads: the caches, not the multipliers, are busy.
#include "bench/ladder/cuda_case.h"
#include "bench/ladder/cuda_rungs.h"

namespace nad::ladder {

using namespace cuda;

namespace {

constexpr int threads = 256;

// weight: [outputs, channels, 3, 3]
__global__ void __launch_bounds__(threads) naive_kernel(CudaCase c, Global<const float> weight) {
  const int64_t index = global_index();
  if (index >= int64_t{c.pixels} * c.outputs) return;
  const int p = static_cast<int>(index / c.outputs), o = static_cast<int>(index % c.outputs);
  float sum = 0;
  for (int tap = 0; tap < 9; ++tap) {
    const int64_t from = tap_start(c, p, tap / 3, tap % 3);
    if (from < 0) continue;
    for (int i = 0; i < c.channels; ++i) {
      const float value = c.x[from + i], factor = weight[(int64_t{o} * c.channels + i) * 9 + tap];
      sum = fmaf(value, factor, sum);
    }
  }
  c.y[p * c.y_stride + o] = sum;
}

}  // namespace

Kernel conv2d_cuda_naive(Planner& planner, const Conv2dArgs& args) {
  return [c = cuda_case(args), weight = to_device(planner, args.weight->data)](Context& context) {
    launch(naive_kernel, blocks_for(int64_t{c.pixels} * c.outputs, threads), threads, 0, stream_of(context), c,
           weight.view());
  };
}

}  // namespace nad::ladder
