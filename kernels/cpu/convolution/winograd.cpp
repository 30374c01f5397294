// Winograd convolution, 3x3 with stride 1 and dilation 1, forward and backward to data (the same with flipped and
// transposed weights). The transforms are in winograd_block.h. Here: which cases, the weights' transform
// (in double, once), and blocks of tiles.
//
// A block's transformed input and products should stay in the caches while the weights stream past them once per
// block; every thread has blocks of its own, so that nobody waits between the three phases.
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/convolution/packing.h"
#include "kernels/cpu/convolution/winograd_points.h"

namespace nad::cpu {
namespace {

constexpr int64_t kProductColumns = 256;     // columns of products kept between GEMMs and output transform
constexpr int64_t kSharedWeights = 4 << 20;  // weights that threads should not each stream for a few tiles
constexpr int64_t kFarWeights = 12 << 20;    // weights that come from memory: many tiles should share them

struct WinogradPlan {
  const ConvIsa* isa = nullptr;
  WinogradConv conv;
  std::vector<Buffer> keep;
  int64_t blocks = 1;
  bool shared = false;  // one block at a time for all threads
  size_t scratch = 0;   // bytes per block in flight
  size_t planes = 0;    // bytes per thread, of those, for one tile's channels before they become integers
  size_t planes_at = 0;
};

// U = G g G' of one 3x3 kernel.
void transform_kernel(const double g[3][3], double u[kWinogradPositions]) {
  const double a = kWinogradA, b = kWinogradB, points[5] = {0, a, -a, b, -b};
  double matrix[kWinogradInput][3] = {};
  for (int p = 0; p < 5; ++p) {
    double n = 1;
    for (int q = 0; q < 5; ++q) n *= q == p ? 1 : points[p] - points[q];
    for (int j = 0; j < 3; ++j) matrix[p][j] = (j == 0 ? 1 : j == 1 ? points[p] : points[p] * points[p]) / n;
  }
  matrix[5][2] = 1;
  for (int r = 0; r < kWinogradInput; ++r) {
    double row[3] = {};
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 3; ++i) row[j] += matrix[r][i] * g[i][j];
    }
    for (int c = 0; c < kWinogradInput; ++c) {
      u[r * kWinogradInput + c] = row[0] * matrix[c][0] + row[1] * matrix[c][1] + row[2] * matrix[c][2];
    }
  }
}

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Measured on cores with 1 MB of L2. The fewer tiles the better stay their transforms, their products and the input
// fetched ahead for the next block in L2 (28 of integers, 42 of floats: two or three register tiles), until the
// weights, read once per block, come from memory. Too few tiles for blocks: all threads work on one.
void choose_blocks(WinogradPlan& plan) {
  WinogradConv& conv = plan.conv;
  const int64_t threads = max_threads(), tiles = conv.tiles(), panels = conv.shape.panels();
  const int64_t tile_rows = plan.isa->gemm.tile_rows;
  const int64_t weights = kWinogradPositions * conv.position_bytes;
  const int64_t most_tiles = weights > kFarWeights ? 112 : conv.shape.narrow ? 28 : 42;
  const int64_t block = most_tiles / tile_rows * tile_rows;
  plan.shared = weights > kSharedWeights && tiles < threads * block / 2;
  plan.blocks = (tiles + block - 1) / block;
  if (!plan.shared) plan.blocks = std::min(tiles, round_up(plan.blocks, threads));
  conv.block_tiles = (tiles + plan.blocks - 1) / plan.blocks;
  const int64_t most = kProductColumns / conv.shape.panel_columns(), groups = (panels + most - 1) / most;
  conv.block_panels = (panels + groups - 1) / groups;
  const int64_t floats = kWinogradPositions * (conv.product_plane() + (conv.shape.narrow ? conv.block_tiles : 0));
  plan.planes = conv.shape.narrow ? static_cast<size_t>(kWinogradPositions * conv.channel_plane() * 4) : 0;
  plan.planes_at = static_cast<size_t>(round_up(kWinogradPositions * conv.input_plane() + floats * 4 + 256, 256));
  plan.scratch = plan.planes_at + plan.planes * static_cast<size_t>(plan.shared ? threads : 1);
}

// One position's weights [channels][columns] as integers times a scale per column: the largest integers that keep
// the column within kWinogradWeightNorm and each value within 16 bits.
void pack_integers(const PackedShape& shape, const float* from, std::byte* to, float* scale) {
  std::vector<double> inverse(static_cast<size_t>(shape.columns));
  for (int64_t c = 0; c < shape.columns; ++c) {
    double square = 0, most = 0;
    for (int64_t k = 0; k < shape.k; ++k) {
      const double w = static_cast<double>(from[k * shape.columns + c]);
      square += w * w;
      most = std::max(most, std::abs(w));
    }
    const double unit = std::max(std::sqrt(square) / static_cast<double>(kWinogradWeightNorm),
                                 most / static_cast<double>(kWinogradMost));
    scale[c] = static_cast<float>(unit);
    inverse[static_cast<size_t>(c)] = unit > 0 ? 1 / unit : 0;
  }
  pack_panels(shape, to, [&](int64_t k, int64_t c) {
    return static_cast<int16_t>(
        std::lrint(static_cast<double>(from[k * shape.columns + c]) * inverse[static_cast<size_t>(c)]));
  });
}

// kernel(channel of the source, column, g): the 3x3 kernel that joins them, first row first.
template <class KernelOf>
void complete(Planner& planner, WinogradPlan& plan, const KernelOf& kernel) {
  WinogradConv& conv = plan.conv;
  conv.tiles_h = (conv.out_h + kWinogradTile - 1) / kWinogradTile;
  conv.tiles_w = (conv.out_w + kWinogradTile - 1) / kWinogradTile;
  const int64_t channels = conv.source.channels, columns = conv.finish.channels;
  const int64_t slices = (channels + 511) / 512;
  const bool integers = plan.isa->winograd.gain > 1;
  conv.shape = {
      channels,        columns, round_up((channels + slices - 1) / slices, 8), integers, plan.isa->lane_bits,
      integers ? 2 : 1};
  conv.position_bytes = round_up(conv.shape.bytes(), 64);
  const auto weight_bytes = static_cast<size_t>(conv.position_bytes * kWinogradPositions);
  const auto scale_bytes = static_cast<size_t>(kWinogradPositions * conv.columns_stride() * 4);
  Buffer weights = planner.weights(weight_bytes), column_scale;
  std::vector<float> transformed(static_cast<size_t>(kWinogradPositions * channels * columns));
  parallel_for(channels, [&](int64_t begin, int64_t end, int) {
    double g[3][3], u[kWinogradPositions];
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t c = 0; c < columns; ++c) {
        kernel(k, c, g);
        transform_kernel(g, u);
        for (int64_t position = 0; position < kWinogradPositions; ++position) {
          transformed[static_cast<size_t>((position * channels + k) * columns + c)] = static_cast<float>(u[position]);
        }
      }
    }
  });
  float* scales = nullptr;
  if (integers) {
    column_scale = planner.weights(scale_bytes);
    scales = reinterpret_cast<float*>(column_scale.get());
    std::fill_n(scales, kWinogradPositions * conv.columns_stride(), 0.0f);
  }
  parallel_for(kWinogradPositions, [&](int64_t begin, int64_t end, int) {
    for (int64_t position = begin; position < end; ++position) {
      const float* from = transformed.data() + position * channels * columns;
      std::byte* to = weights.get() + position * conv.position_bytes;
      if (integers) {
        pack_integers(conv.shape, from, to, scales + position * conv.columns_stride());
      } else {
        pack_panels(conv.shape, to, [&](int64_t k, int64_t c) { return from[k * columns + c]; });
      }
    }
  });
  plan.keep.push_back(planner.share(std::move(weights), weight_bytes));
  conv.weights = plan.keep.back().get();
  if (integers) {
    plan.keep.push_back(planner.share(std::move(column_scale), scale_bytes));
    conv.column_scale = reinterpret_cast<const float*>(plan.keep.back().get());
  }
  choose_blocks(plan);
  planner.reserve_scratch(plan.scratch * static_cast<size_t>(plan.shared ? 1 : max_threads()));
}

// Inside a thread's own blocks the inner loops run on that thread alone.
void run_block(const WinogradPlan& plan, int64_t number, std::byte* scratch) {
  const WinogradConv& conv = plan.conv;
  const WinogradIsa& isa = plan.isa->winograd;
  WinogradBlock block;
  block.input = reinterpret_cast<char*>(scratch);
  block.products = reinterpret_cast<float*>(block.input + kWinogradPositions * conv.input_plane());
  block.row_scale = block.products + kWinogradPositions * conv.product_plane();
  std::byte* planes = scratch + plan.planes_at;
  const int64_t first = conv.tiles() * number / plan.blocks;
  const int64_t tiles = conv.tiles() * (number + 1) / plan.blocks - first;
  parallel_for(tiles, [&](int64_t begin, int64_t end, int thread) {
    isa.input(conv, first, begin, end, block,
              reinterpret_cast<float*>(planes + plan.planes * static_cast<size_t>(thread)));
  });
  for (int64_t panel = 0; panel < conv.shape.panels(); panel += conv.block_panels) {
    const int64_t panels = std::min(conv.block_panels, conv.shape.panels() - panel);
    parallel_for(kWinogradPositions * panels, [&](int64_t begin, int64_t end, int) {
      isa.products(conv, first, tiles, panel, panels, begin, end, block);
    });
    parallel_for(tiles, [&](int64_t begin, int64_t end, int) {
      isa.output(conv, first, begin, end, panel, panels, block.products);
    });
  }
}

void run(const WinogradPlan& plan, Context& context) {
  if (plan.shared) {
    for (int64_t block = 0; block < plan.blocks; ++block) run_block(plan, block, context.scratch());
    return;
  }
  parallel_each(plan.blocks, [&](int64_t block, int thread) {
    run_block(plan, block, context.scratch() + plan.scratch * static_cast<size_t>(thread));
  });
}

// Does it beat the direct way? Cycles per tile of 16 outputs, measured: products 36 i o / 32, transforms 14 i + 11 o,
// rounding to integers another 6 i; direct 9 i o / 32 per output; narrow products take half as long or less. The
// answer does not depend on the number of samples.
bool pays(const ConvIsa& isa, double in, double out, double plane_h, double plane_w) {
  const double outputs =
      plane_h * plane_w / (std::ceil(plane_h / kWinogradTile) * std::ceil(plane_w / kWinogradTile));
  const double gain = static_cast<double>(isa.winograd.gain);
  const double direct = outputs * 9 * in * out / 32 / static_cast<double>(isa.gemm.gain);
  return 36 * in * out / 32 / gain + (gain > 1 ? 20 : 14) * in + 11 * out < direct;
}

// Of a case that is covered, or null.
const ConvIsa* isa_for(const Planner& planner, const Conv2dParams& p, const Shape& in, const Shape& out) {
  const ConvIsa* isa = conv_isa(planner.precision() == Precision::bf16);
  const bool covered = isa != nullptr && isa->winograd.input != nullptr && p.groups == 1 && p.kernel_h == 3 &&
                       p.kernel_w == 3 && p.stride_h == 1 && p.stride_w == 1 && p.dilation_h == 1 &&
                       p.dilation_w == 1 && out.count() > 0 &&
                       pays(*isa, static_cast<double>(in.c), static_cast<double>(out.c), static_cast<double>(out.h),
                            static_cast<double>(out.w));
  return covered ? isa : nullptr;
}

// wide: the shape of the convolution's output; y is half as high and wide where it is pooled.
Kernel plan_forward(Planner& planner, const Conv2dArgs& args, const Shape& wide, bool pooled, uint8_t* argmax) {
  const Conv2dParams& p = args.params;
  const ConvIsa* isa = isa_for(planner, p, args.x.shape, wide);
  if (isa == nullptr) return {};
  const auto plan = std::make_shared<WinogradPlan>();
  plan->isa = isa;
  WinogradConv& conv = plan->conv;
  conv.source = forward_source(planner, args, plan->keep);
  conv.finish = forward_finish(planner, args, plan->keep);
  conv.pool = pooled;
  conv.argmax = argmax;
  conv.origin_h = p.offset_h - p.pad_h;
  conv.origin_w = p.offset_w - p.pad_w;
  conv.samples = wide.n;
  conv.out_h = wide.h;
  conv.out_w = wide.w;
  const int64_t channels = args.x.shape.c;
  complete(planner, *plan, [&](int64_t i, int64_t o, double g[3][3]) {
    const float* w = args.weight->data.data() + (o * channels + i) * 9;
    for (int t = 0; t < 9; ++t) {
      g[t / 3][t % 3] = static_cast<double>(w[t]) * static_cast<double>(channel(args.epilogue.scale, o, 1.0f));
    }
  });
  return [plan](Context& context) { run(*plan, context); };
}

// wide: the shape of dz; where there is an argmax, it is half as high and wide in memory.
Kernel plan_backward(Planner& planner, const Conv2dBackwardArgs& args, const Shape& wide, const uint8_t* argmax) {
  const Conv2dParams& p = args.params;
  const ConvIsa* isa = isa_for(planner, p, wide, args.dx.shape);
  if (isa == nullptr) return {};
  const auto plan = std::make_shared<WinogradPlan>();
  plan->isa = isa;
  WinogradConv& conv = plan->conv;
  conv.source = backward_source(args);
  conv.source.h = wide.h;
  conv.source.w = wide.w;
  conv.source.argmax = argmax;
  conv.finish = backward_finish(planner, args, plan->keep);
  conv.origin_h = p.pad_h - p.offset_h - 2;
  conv.origin_w = p.pad_w - p.offset_w - 2;
  conv.samples = args.dx.shape.n;
  conv.out_h = args.dx.shape.h;
  conv.out_w = args.dx.shape.w;
  const int64_t channels = args.dx.shape.c;
  complete(planner, *plan, [&](int64_t o, int64_t i, double g[3][3]) {
    const float* w = args.weight->data.data() + (o * channels + i) * 9;
    const double scale = static_cast<double>(channel(args.scale, o, 1.0f)) *
                         static_cast<double>(channel(args.prologue.scale, i, 1.0f));
    for (int t = 0; t < 9; ++t) g[t / 3][t % 3] = static_cast<double>(w[8 - t]) * scale;
  });
  return [plan](Context& context) { run(*plan, context); };
}

}  // namespace

Kernel conv2d_winograd(Planner& planner, const Conv2dArgs& args) {
  return plan_forward(planner, args, args.y.shape, false, nullptr);
}

Kernel conv2d_winograd_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  return plan_backward(planner, args, args.dz.shape, nullptr);
}

bool winograd_covers(const Planner& planner, const Conv2dParams& params, const Shape& in, const Shape& out) {
  return isa_for(planner, params, in, out) != nullptr;
}

Kernel conv2d_winograd_pooled(Planner& planner, const Conv2dMaxPoolArgs& args) {
  return plan_forward(planner, {args.params, args.x, args.weight, {}, args.epilogue, args.y},
                      conv_output(args.params, args.x.shape, args.y.shape.c), true, args.argmax);
}

Kernel conv2d_winograd_pooled_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args) {
  return plan_backward(planner, {args.params, args.dz, args.weight, args.scale, {}, {}, args.mode, args.dx},
                       conv_output(args.params, args.dx.shape, args.dz.shape.c), args.argmax);
}

}  // namespace nad::cpu
