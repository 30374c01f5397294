// Per-channel sums over the original representation for the objectives `paper` and `variational`.
//
// Sums are taken in fixed pieces, whatever the number of threads and the batch: float over kSumPixels pixels, double
// over a chunk of kChunkPixels, double over the chunks and samples of a group.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/parallel.h"
#include "kernels/cpu/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cpu {

constexpr int64_t kSumPixels = 32;
constexpr int64_t kChunkPixels = 512;

struct GateStatisticsLoop {
  const float* original = nullptr;
  int64_t stride = 0;
  int64_t channels = 0;
  int64_t plane = 0;  // pixels per sample
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/gate_statistics_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

// Where a replay keeps its partial sums in the shared scratch.
struct PartialSums {
  double* pieces = nullptr;  // [N, chunks, 3, C]
  float* sigma = nullptr;    // [G, C], softplus applied
  float* block = nullptr;    // [threads, 3, C]

  static size_t bytes(const Shape& s, int64_t chunks, int64_t groups) {
    return static_cast<size_t>(s.n * chunks * 3 * s.c) * sizeof(double) +
           static_cast<size_t>((groups + 3 * max_threads()) * s.c) * sizeof(float);
  }
  PartialSums(std::byte* scratch, const Shape& s, int64_t chunks, int64_t groups) {
    pieces = reinterpret_cast<double*>(scratch);
    sigma = reinterpret_cast<float*>(pieces + s.n * chunks * 3 * s.c);
    block = sigma + groups * s.c;
  }
};

float softplus(float x) {
  const double d = static_cast<double>(x);
  return static_cast<float>(d > 30 ? d : std::log1p(std::exp(d)));
}

// Adds up one group's pieces and writes its row of each result.
void reduce_group(const GateStatisticsArgs& args, const double* pieces, int64_t chunks, int64_t group) {
  const int64_t channels = args.original.shape.c;
  const int64_t first = group * args.groups.batch * chunks;
  const int64_t last = first + args.groups.valid[group] * chunks;
  double* results[3] = {args.sum_square, args.sum_log, args.sum_ratio};
  for (int64_t kind = 0; kind < (args.sigma ? 3 : 1); ++kind) {
    double* total = results[kind] + group * channels;
    std::fill_n(total, channels, 0.0);
    for (int64_t piece = first; piece < last; ++piece) {
      const double* part = pieces + (piece * 3 + kind) * channels;
      for (int64_t c = 0; c < channels; ++c) total[c] += part[c];
    }
  }
}

}  // namespace

Kernel gate_statistics(Planner& planner, const GateStatisticsArgs& args) {
  check_args(args);
  const Shape s = args.original.shape;
  const GateStatisticsLoop loop{args.original.data, args.original.stride, s.c, s.h * s.w};
  const int64_t chunks = (loop.plane + kChunkPixels - 1) / kChunkPixels;
  planner.reserve_scratch(PartialSums::bytes(s, chunks, args.groups.count));
  const auto run_chunk = NAD_BEST(gate_statistics_chunk);

  return [args, loop, s, chunks, run_chunk](Context& context) {
    const PartialSums sums(context.scratch(), s, chunks, args.groups.count);
    if (args.sigma) {
      std::transform(args.sigma, args.sigma + args.groups.count * s.c, sums.sigma, softplus);
    }
    parallel_for(s.n * chunks, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t sample = item / chunks, first = item % chunks * kChunkPixels;
        const int64_t group = sample / args.groups.batch;
        if (sample % args.groups.batch >= args.groups.valid[group]) continue;
        double* piece = sums.pieces + item * 3 * s.c;
        std::fill_n(piece, 3 * s.c, 0.0);
        run_chunk(loop, sample, first, std::min(loop.plane, first + kChunkPixels),
                  args.sigma ? sums.sigma + group * s.c : nullptr, sums.block + thread * 3 * s.c, piece);
      }
    });
    parallel_for(args.groups.count, [&](int64_t begin, int64_t end, int) {
      for (int64_t group = begin; group < end; ++group) reduce_group(args, sums.pieces, chunks, group);
    });
  };
}

}  // namespace nad::cpu
