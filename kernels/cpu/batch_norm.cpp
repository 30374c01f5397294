// BatchNorm with the batch's statistics, forward and backward; equations in engine/ops.h. Two passes over the tensors
// each way, sums and then values: bound by memory.
//
// Sums are taken in fixed pieces, whatever the number of threads: float over kSumPixels pixels, double over a chunk
// of kChunkPixels, double over the chunks. Forward they are sums of x - center, center being the channel's first
// value: a mean much larger than the deviation cancels before anything is rounded.
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
  const float* dy = nullptr;  // backward
  int64_t dy_stride = 0;
  const float* y = nullptr;  // backward: the ReLU's mask, or null
  int64_t y_stride = 0;
  float* out = nullptr;  // y forward, dx backward
  int64_t out_stride = 0;
  int64_t channels = 0;
  bool relu = false, add = false;
  const float *center = nullptr, *factor = nullptr, *offset = nullptr, *slope = nullptr;  // [C], see the loops
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/batch_norm_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

// Where a replay keeps its partial sums and the channels' numbers in the shared scratch.
struct Workspace {
  double* sums = nullptr;                                                           // [chunks, 2, C]
  float *center = nullptr, *factor = nullptr, *offset = nullptr, *slope = nullptr;  // [C]
  float* block = nullptr;                                                           // [threads, 2, C]

  static size_t bytes(int64_t channels, int64_t chunks) {
    return static_cast<size_t>(2 * chunks * channels) * sizeof(double) +
           static_cast<size_t>((4 + 2 * max_threads()) * channels) * sizeof(float);
  }
  Workspace(std::byte* scratch, int64_t channels, int64_t chunks) {
    sums = reinterpret_cast<double*>(scratch);
    center = reinterpret_cast<float*>(sums + 2 * chunks * channels);
    factor = center + channels;
    offset = factor + channels;
    slope = offset + channels;
    block = slope + channels;
  }
};

// One op on M = N*H*W pixels.
struct BatchNorm {
  BatchNormLoop loop;
  int64_t pixels, chunks;

  BatchNorm(const CTensor& x, const Tensor& out) : pixels(x.shape.pixels()) {
    chunks = (pixels + kChunkPixels - 1) / kChunkPixels;
    loop.x = x.data, loop.x_stride = x.stride;
    loop.out = out.data, loop.out_stride = out.stride;
    loop.channels = x.shape.c;
  }
  void reserve(Planner& planner) const { planner.reserve_scratch(Workspace::bytes(loop.channels, chunks)); }
  Workspace attach(Context& context) {
    const Workspace w(context.scratch(), loop.channels, chunks);
    loop.center = w.center, loop.factor = w.factor, loop.offset = w.offset, loop.slope = w.slope;
    return w;
  }

  // body(first pixel, last, chunk, thread)
  template <class Body>
  void each_chunk(Body&& body) const {
    parallel_each(chunks, [&](int64_t chunk, int thread) {
      body(chunk * kChunkPixels, std::min(pixels, (chunk + 1) * kChunkPixels), chunk, thread);
    });
  }
  // Both sums of every channel: body(channel, first sum, second sum).
  template <class AddUp, class Body>
  void reduce(const Workspace& w, const AddUp& add_up, Body&& body) const {
    const int64_t channels = loop.channels;
    each_chunk([&](int64_t begin, int64_t end, int64_t chunk, int thread) {
      double* sums = w.sums + chunk * 2 * channels;
      std::fill_n(sums, 2 * channels, 0.0);
      add_up(loop, begin, end, w.block + thread * 2 * channels, sums);
    });
    for (int64_t chunk = 1; chunk < chunks; ++chunk) {
      for (int64_t i = 0; i < 2 * channels; ++i) w.sums[i] += w.sums[chunk * 2 * channels + i];
    }
    for (int64_t c = 0; c < channels; ++c) body(c, w.sums[c], w.sums[channels + c]);
  }
};

// One channel from its sums of x - center and (x - center)^2.
void finish_channel(const BatchNormArgs& args, const Workspace& w, int64_t c, double count, double sum,
                    double square) {
  const double shifted = sum / count;  // mean - center
  const double mean = static_cast<double>(w.center[c]) + shifted;
  const double squares = std::max(0.0, square - shifted * shifted * count);
  const double rstd = 1 / std::sqrt(squares / count + static_cast<double>(args.epsilon));
  const double factor = static_cast<double>(args.gamma[c]) * rstd;
  args.mean[c] = static_cast<float>(mean);
  args.rstd[c] = static_cast<float>(rstd);
  w.factor[c] = static_cast<float>(factor);
  w.offset[c] = static_cast<float>(static_cast<double>(args.beta[c]) - factor * shifted);
  if (!args.running_mean) return;
  const double momentum = static_cast<double>(args.momentum), unbiased = squares / std::max(1.0, count - 1);
  const auto move = [momentum](float& running, double value) {
    running = static_cast<float>((1 - momentum) * static_cast<double>(running) + momentum * value);
  };
  move(args.running_mean[c], mean);
  move(args.running_variance[c], unbiased);
}

// One channel from its sums of t and t * (x - mean).
void finish_channel(const BatchNormBackwardArgs& args, const Workspace& w, int64_t c, double count, double sum,
                    double product) {
  const double rstd = static_cast<double>(args.rstd[c]), dgamma = product * rstd;
  args.dbeta[c] = static_cast<float>(sum);
  args.dgamma[c] = static_cast<float>(dgamma);
  w.factor[c] = static_cast<float>(static_cast<double>(args.gamma[c]) * rstd);
  w.offset[c] = static_cast<float>(sum / count);
  w.slope[c] = static_cast<float>(rstd * dgamma / count);
}

}  // namespace

Kernel batch_norm(Planner& planner, const BatchNormArgs& args) {
  check_args(args);
  BatchNorm op(args.x, args.y);
  op.loop.relu = args.relu;
  op.reserve(planner);
  const auto add_up = NAD_BEST(batch_norm_sums);
  const auto values = NAD_BEST(batch_norm_values);
  return [args, op, add_up, values](Context& context) {
    BatchNorm run = op;
    const Workspace w = run.attach(context);
    std::copy_n(args.x.data, run.loop.channels, w.center);  // a copy: y may be x
    const double count = static_cast<double>(run.pixels);
    run.reduce(w, add_up,
               [&](int64_t c, double sum, double square) { finish_channel(args, w, c, count, sum, square); });
    run.each_chunk([&](int64_t begin, int64_t end, int64_t, int) { values(run.loop, begin, end); });
  };
}

Kernel batch_norm_backward(Planner& planner, const BatchNormBackwardArgs& args) {
  check_args(args);
  BatchNorm op(args.x, args.dx);
  op.loop.dy = args.dy.data, op.loop.dy_stride = args.dy.stride;
  op.loop.y = args.y.data, op.loop.y_stride = args.y.stride;
  op.loop.add = args.mode == Accumulate::add;
  op.reserve(planner);
  const auto add_up = NAD_BEST(batch_norm_backward_sums);
  const auto gradient = NAD_BEST(batch_norm_gradient);
  return [args, op, add_up, gradient](Context& context) {
    BatchNorm run = op;
    const Workspace w = run.attach(context);
    std::copy_n(args.mean, run.loop.channels, w.center);
    const double count = static_cast<double>(run.pixels);
    run.reduce(w, add_up,
               [&](int64_t c, double sum, double product) { finish_channel(args, w, c, count, sum, product); });
    run.each_chunk([&](int64_t begin, int64_t end, int64_t, int) { gradient(run.loop, begin, end); });
  };
}

}  // namespace nad::cpu
