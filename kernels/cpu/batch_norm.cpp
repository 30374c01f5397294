// BatchNorm by the batch's statistics; equation in engine/ops.h. Two passes over the tensor, sums and then values:
// bound by memory.
//
// Sums are taken in fixed pieces, whatever the number of threads: float over kSumPixels pixels, double over a chunk
// of kChunkPixels, double over the chunks. They are sums of x - center, center being the channel's first value: a mean
// much larger than the deviation cancels before anything is rounded.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/ops.h"

namespace nad::cpu {

constexpr int64_t kSumPixels = 32;
constexpr int64_t kChunkPixels = 512;

struct BatchNormLoop {
  const float* x = nullptr;
  int64_t x_stride = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  int64_t channels = 0;
  const float *center = nullptr, *factor = nullptr, *offset = nullptr;  // [C], see the loops
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/batch_norm_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

// Where a replay keeps its partial sums and the channels' numbers in the shared scratch.
struct Workspace {
  double* sums = nullptr;                      // [chunks, 2, C]
  float *factor = nullptr, *offset = nullptr;  // [C]
  float* block = nullptr;                      // [threads, 2, C]

  static size_t bytes(int64_t channels, int64_t chunks) {
    return static_cast<size_t>(2 * chunks * channels) * sizeof(double) +
           static_cast<size_t>((2 + 2 * max_threads()) * channels) * sizeof(float);
  }
  Workspace(std::byte* scratch, int64_t channels, int64_t chunks) {
    sums = reinterpret_cast<double*>(scratch);
    factor = reinterpret_cast<float*>(sums + 2 * chunks * channels);
    offset = factor + channels;
    block = offset + channels;
  }
};

// body(first pixel, last, chunk, thread)
template <class Body>
void each_chunk(int64_t pixels, int64_t chunks, Body&& body) {
  parallel_each(chunks, [&](int64_t chunk, int thread) {
    body(chunk * kChunkPixels, std::min(pixels, (chunk + 1) * kChunkPixels), chunk, thread);
  });
}

// One channel from its sums of x - center and (x - center)^2.
void finish_channel(const BatchNormArgs& args, const Workspace& w, int64_t c, double count, double sum,
                    double square) {
  const double shifted = sum / count;  // mean - center
  const double variance = std::max(0.0, square / count - shifted * shifted);
  const double factor = 1 / std::sqrt(variance + args.epsilon);
  args.mean[c] = static_cast<float>(static_cast<double>(args.x.data[c]) + shifted);
  args.variance[c] = static_cast<float>(variance);
  w.factor[c] = static_cast<float>(factor);
  w.offset[c] = static_cast<float>(-factor * shifted);
}

}  // namespace

Kernel batch_norm(Planner& planner, const BatchNormArgs& args) {
  check_args(args);
  const int64_t channels = args.x.shape.c, pixels = args.x.shape.pixels();
  const int64_t chunks = (pixels + kChunkPixels - 1) / kChunkPixels;
  planner.reserve_scratch(Workspace::bytes(channels, chunks));
  const auto add_up = NAD_BEST(batch_norm_sums);
  const auto values = NAD_BEST(batch_norm_values);
  return [=](Context& context) {
    const Workspace w(context.scratch(), channels, chunks);
    const BatchNormLoop loop{args.x.data, args.x.stride, args.y.data, args.y.stride,
                             channels,    args.x.data,   w.factor,    w.offset};
    each_chunk(pixels, chunks, [&](int64_t begin, int64_t end, int64_t chunk, int thread) {
      double* sums = w.sums + chunk * 2 * channels;
      std::fill_n(sums, 2 * channels, 0.0);
      add_up(loop, begin, end, w.block + thread * 2 * channels, sums);
    });
    for (int64_t chunk = 1; chunk < chunks; ++chunk) {
      for (int64_t i = 0; i < 2 * channels; ++i) w.sums[i] += w.sums[chunk * 2 * channels + i];
    }
    const double count = static_cast<double>(pixels);
    for (int64_t c = 0; c < channels; ++c) finish_channel(args, w, c, count, w.sums[c], w.sums[channels + c]);
    each_chunk(pixels, chunks, [&](int64_t begin, int64_t end, int64_t, int) { values(loop, begin, end); });
  };
}

}  // namespace nad::cpu
