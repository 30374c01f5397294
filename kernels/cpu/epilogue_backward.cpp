// The gradient through a gate, a ReLU and the loss tap, with the gate's gradient and the tap's value, in one pass
// over dy, y and the tap's target: the most expensive elementwise op of a step.
//
// Sums are taken in fixed pieces, whatever the number of threads and the batch: float over kSumPixels pixels, double
// over a chunk of kChunkPixels, double over the chunks of a sample, then over the samples of a row.
#include <algorithm>
#include <cstring>

#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/stream.h"

namespace nad::cpu {

constexpr int64_t kSumPixels = 32;
constexpr int64_t kChunkPixels = 512;
constexpr int64_t kFarFloats = 256;  // how far ahead tensors in memory are asked for

struct EpilogueBackwardLoop {
  const float* dy = nullptr;
  int64_t dy_stride = 0;
  const float* y = nullptr;
  int64_t y_stride = 0;
  const float* tap_target = nullptr;  // null: no tap
  int64_t tap_target_stride = 0;
  float* dz = nullptr;  // null: nothing below needs it
  int64_t dz_stride = 0;
  int64_t channels = 0;
  int64_t plane = 0;  // pixels per sample
  bool relu = false;
  const float* table = nullptr;  // null: no gate
  const int32_t* row = nullptr;
  int64_t table_stride = 0;
  const float* tap_weight = nullptr;
  float tap_scale = 0;
  bool far = false;  // dy comes from memory: from the caches, asking ahead costs more than it saves
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/epilogue_backward_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

// Where a replay keeps its partial sums in the shared scratch.
struct PartialSums {
  double* gate = nullptr;  // [N, chunks, C]
  double* tap = nullptr;   // [N, chunks]
  float* block = nullptr;  // [threads, C]

  static size_t bytes(const Shape& s, int64_t chunks) {
    return static_cast<size_t>(s.n * chunks * (s.c + 1)) * sizeof(double) +
           static_cast<size_t>(max_threads() * s.c) * sizeof(float);
  }
  PartialSums(std::byte* scratch, const Shape& s, int64_t chunks) {
    gate = reinterpret_cast<double*>(scratch);
    tap = gate + s.n * chunks * s.c;
    block = reinterpret_cast<float*>(tap + s.n * chunks);
  }
};

// dgate of one row, channels [begin, end): the sums of t*y over samples [first, last), divided by the gate.
void reduce_row(const EpilogueBackwardArgs& args, double* sums, int64_t chunks, int64_t first, int64_t last,
                int64_t begin, int64_t end) {
  const int64_t channels = args.y.shape.c;
  double* total = sums + first * chunks * channels;
  for (int64_t piece = first * chunks + 1; piece < last * chunks; ++piece) {
    const double* part = sums + piece * channels;
    for (int64_t c = begin; c < end; ++c) total[c] += part[c];
  }
  const int64_t at = args.gate.row[first] * args.gate.stride;
  for (int64_t c = begin; c < end; ++c) {
    const float gate = args.gate.table[at + c];
    args.dgate[at + c] = gate == 0 ? 0.f : static_cast<float>(total[c] / static_cast<double>(gate));
  }
}

void reduce_gate(const EpilogueBackwardArgs& args, double* sums, int64_t chunks) {
  const Shape s = args.y.shape;
  constexpr int64_t kChannels = 32;  // read together: some cache lines of every row
  parallel_for(
      s.c,
      [&](int64_t begin, int64_t end, int) {
        for (int64_t first = 0, last = 0; first < s.n; first = last) {
          while (last < s.n && args.gate.row[last] == args.gate.row[first]) ++last;
          reduce_row(args, sums, chunks, first, last, begin, end);
        }
      },
      kChannels);
}

}  // namespace

Kernel epilogue_backward(Planner& planner, const EpilogueBackwardArgs& args) {
  check_args(args);
  const Shape s = args.y.shape;
  EpilogueBackwardLoop loop;
  loop.dy = args.dy.data, loop.dy_stride = args.dy.stride;
  loop.y = args.y.data, loop.y_stride = args.y.stride;
  loop.tap_target = args.tap_target.data, loop.tap_target_stride = args.tap_target.stride;
  loop.dz = args.dz.data, loop.dz_stride = args.dz.stride;
  loop.channels = s.c, loop.plane = s.h * s.w;
  loop.relu = args.relu;
  loop.table = args.gate.table, loop.row = args.gate.row, loop.table_stride = args.gate.stride;
  loop.far = beyond_caches(args.dy.shape.pixels() * args.dy.stride);
  loop.tap_weight = args.tap_weight, loop.tap_scale = args.tap_scale;
  const int64_t chunks = (loop.plane + kChunkPixels - 1) / kChunkPixels;
  planner.reserve_scratch(PartialSums::bytes(s, chunks));
  const auto run_chunk = NAD_BEST(epilogue_backward_chunk);

  return [args, loop, s, chunks, run_chunk](Context& context) {
    const PartialSums sums(context.scratch(), s, chunks);
    parallel_each(s.n * chunks, [&](int64_t item, int thread) {
      const int64_t sample = item / chunks, first = item % chunks * kChunkPixels;
      double* gate_sums = sums.gate + item * s.c;
      if (args.gate) std::fill_n(gate_sums, s.c, 0.0);
      run_chunk(loop, sample, first, std::min(loop.plane, first + kChunkPixels), sums.block + thread * s.c, gate_sums,
                sums.tap + item);
    });
    if (args.gate) reduce_gate(args, sums.gate, chunks);
    if (args.tap_target && args.tap_sum) {
      for (int64_t n = 0; n < s.n; ++n) {
        double total = 0;
        for (int64_t i = 0; i < chunks; ++i) total += sums.tap[n * chunks + i];
        args.tap_sum[n] = total;
      }
    }
  };
}

}  // namespace nad::cpu
