// Planning of the implicit GEMM: is the case covered, how its source is loaded, which tile, and the packed weights.
#include "kernels/cuda/conv2d_gemm.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/cuda/backend.h"

namespace nad::cuda {
namespace {

constexpr int slab_bytes = 64;

struct TileShape {
  GemmTile tile;
  int rows, columns;
  // How well the tile keeps the multipliers busy, relative to the best: a smaller tile loads more for the same
  // products. Estimated from loads per product, not measured.
  double efficiency;
};
constexpr TileShape tile_shapes[] = {{GemmTile::m128n128, 128, 128, 1.0},
                                     {GemmTile::m128n64, 128, 64, 0.85},
                                     {GemmTile::m64n64, 64, 64, 0.65},
                                     {GemmTile::m128n32, 128, 32, 0.55}};

GemmRun bind(Precision precision, GemmTile tile, Loads loads, const GemmProblem& problem) {
  switch (precision) {
    case Precision::fp32:
      return gemm_fp32(tile, loads, problem);
    case Precision::tf32:
      return gemm_tf32(tile, loads, problem);
    case Precision::bf16:
      return gemm_bf16(tile, loads, problem);
  }
  return {};
}

bool has_tile(Precision precision, Loads loads, GemmTile tile) {
  if (loads == Loads::scalars) return tile == GemmTile::m128n64;
  return precision != Precision::fp32 || tile != GemmTile::m128n128;
}

Loads choose_loads(Precision precision, const Convolution& c) {
  const int chunk = precision == Precision::bf16 ? 8 : 4;  // channels in 16 bytes of shared memory
  if (!c.source.vectors || c.source.channels % chunk != 0) return Loads::scalars;
  const bool changes = precision == Precision::bf16 || c.source.relu || c.source.scale || c.source.shift;
  return changes ? Loads::vectors : Loads::copies;
}

// The tile with the least time by a simple account: how often the device fills up with tiles, times a tile's products
// over its efficiency. The choice does not show in the result.
const TileShape* choose_tile(Precision precision, Loads loads, const Convolution& c, int64_t rows,
                             int multiprocessors) {
  const TileShape* best = nullptr;
  double least = 0;
  for (const TileShape& t : tile_shapes) {
    if (!has_tile(precision, loads, t.tile)) continue;
    const int64_t tiles = (rows + t.rows - 1) / t.rows * ((c.target_shape.c + t.columns - 1) / t.columns);
    const int64_t rounds = (tiles + 2 * multiprocessors - 1) / (2 * multiprocessors);
    const double cost = static_cast<double>(rounds * t.rows * t.columns) / t.efficiency;
    if (best && cost >= least) continue;
    best = &t;
    least = cost;
  }
  return best;
}

// As cvt.rna.tf32 does: to 10 bits of mantissa, ties away from zero.
float round_to_tf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu);
}

void put_weight(Precision precision, float value, std::byte* to) {
  if (precision == Precision::bf16) {
    const bf16 rounded = __float2bfloat16_rn(value);
    std::memcpy(to, &rounded, sizeof rounded);
    return;
  }
  const float rounded = precision == Precision::tf32 ? round_to_tf32(value) : value;
  std::memcpy(to, &rounded, sizeof rounded);
}

// For every gather [slab of K][padded channel][64 bytes of K], zeros where there is no channel or no K.
std::vector<std::byte> pack(Convolution& c, Precision precision, int padded_channels) {
  const size_t size = precision == Precision::bf16 ? 2 : 4;
  const auto slab = static_cast<int64_t>(slab_bytes / size);
  std::vector<std::byte> packed;
  for (size_t g = 0; g < c.gathers.size(); ++g) {
    const std::vector<Tap>& taps = c.taps[g];
    const int64_t k_count = static_cast<int64_t>(taps.size()) * c.source_shape.c;
    const int64_t slabs = (k_count + slab - 1) / slab;
    const size_t begin = packed.size();
    c.gathers[g].weights = static_cast<int64_t>(begin / size);
    packed.resize(begin + static_cast<size_t>(slabs * padded_channels) * slab_bytes);
    for (int64_t k = 0; k < k_count; ++k) {
      const Tap& tap = taps[static_cast<size_t>(k / c.source_shape.c)];
      for (int64_t o = 0; o < c.target_shape.c; ++o) {
        const auto at = static_cast<size_t>((k / slab * padded_channels + o) * slab + k % slab);
        put_weight(precision, c.weight_at(o, k % c.source_shape.c, tap), packed.data() + begin + at * size);
      }
    }
  }
  return packed;
}

}  // namespace

Kernel conv2d_gemm(Planner& planner, const Convolution& convolution, GemmTile tile) {
  Convolution c = convolution;
  if (c.groups != 1 || c.gathers.size() > max_gathers) return {};
  const Precision precision = planner.precision();
  const Loads loads = choose_loads(precision, c);
  GemmProblem problem;
  for (Gather& g : c.gathers) {
    if (c.tap_sum) g.pairs = g.positions / 2;
    problem.rows = std::max(problem.rows, gemm_rows(g));
  }
  const TileShape* shape =
      choose_tile(precision, loads, c, problem.rows, backend_of(planner.context()).multiprocessors());
  for (const TileShape& t : tile_shapes) {
    if (t.tile == tile) shape = has_tile(precision, loads, tile) ? &t : nullptr;
  }
  if (!shape) return {};

  const auto channels = static_cast<int>(c.target_shape.c);
  problem.args.padded_channels = (channels + shape->columns - 1) / shape->columns * shape->columns;
  const std::vector<std::byte> packed = pack(c, precision, problem.args.padded_channels);
  const Buffer weights = planner.upload_weights(packed.data(), packed.size());
  problem.weight = weights.get();
  problem.weight_count = static_cast<int64_t>(packed.size()) / (precision == Precision::bf16 ? 2 : 4);
  problem.gathers = static_cast<int>(c.gathers.size());
  problem.args.source = c.source;
  problem.args.finish = c.finish;
  std::copy(c.gathers.begin(), c.gathers.end(), problem.args.gathers);
  const GemmRun run = bind(precision, shape->tile, loads, problem);
  if (!run) return {};
  if (!c.tap_sum) {
    return [run, weights, buffers = c.buffers](Context& context) { run(stream_of(context), {}); };
  }
  return [run, weights, buffers = c.buffers, tap = TapSum(planner, c)](Context& context) {
    run(stream_of(context), tap.partial(context));
    tap.finish(context);
  };
}

}  // namespace nad::cuda
