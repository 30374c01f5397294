// Convolution as an implicit GEMM, forward and backward to data; the inner part is gemm_block.h. Here: which
// GEMMs a convolution is, its packed weights, and how its blocks are shared out.
//
//   forward   y[n, r, c, o]  = sum over kh, kw, i of x'[n, r*s - p + kh*d + off, ..., i] * w[o, i, kh, kw] * scale[o]
//   backward  dx[n, a + s*r, ..., i] = sum over o and those kh with (a + p - kh*d - off) divisible by s
//                                      of dz[n, r + (a + p - kh*d - off) / s, ..., o] * w[o, i, kh, kw] * scale[o]
// So each phase (a, b) of dx, 0 <= a, b < s, is a convolution with stride 1 and its own taps: no product is wasted.
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/convolution/packing.h"

namespace nad::cpu {
namespace {

struct Tap {
  int64_t dh, dw, kh, kw;
};

struct GemmPlan {
  const ConvIsa* isa = nullptr;
  GemmConv conv;
  std::vector<TapRun> runs;
  std::vector<Buffer> keep;
  int64_t blocks = 1;  // of rows
  int64_t splits = 1;  // of panels
  size_t scratch = 0;  // bytes per thread
};

// Neighbouring taps of dense, untransformed rows of pixels are one copy.
std::vector<TapRun> join_taps(const std::vector<Tap>& taps, const Source& source) {
  const bool joinable = source.stride == source.channels && !source.prologue();
  std::vector<TapRun> runs;
  for (const Tap& tap : taps) {
    if (joinable && !runs.empty() && runs.back().dh == tap.dh && runs.back().dw + runs.back().count == tap.dw) {
      ++runs.back().count;
    } else {
      runs.push_back({tap.dh, tap.dw, 1});
    }
  }
  return runs;
}

PackedShape packed_shape(const ConvIsa& isa, int64_t k, int64_t columns, bool bf16, bool slab) {
  const int64_t bytes = bf16 ? 2 : 4, group = isa.gemm.group, multiple = std::max<int64_t>(group, 8);
  PackedShape shape{k, columns, k, bf16, isa.lane_bits, group};
  const GemmBlocking& cut = isa.gemm;
  const int64_t longest = slab ? std::min(cut.longest_slice, cut.slab_slice) : cut.longest_slice;
  if (k * bytes > longest) {
    const int64_t slice = std::min(longest, cut.slice), slices = (k * bytes + slice - 1) / slice;
    shape.block = ((k + slices - 1) / slices + multiple - 1) / multiple * multiple;
  }
  return shape;
}

// Few rows: the threads share the panels of the weights; otherwise whole blocks of rows, the same number each.
void share_out(GemmPlan& plan) {
  const int64_t threads = max_threads(), rows = plan.conv.rows(), panels = plan.conv.shape.panels();
  const GemmBlocking& cut = plan.isa->gemm;
  const bool few = rows < threads * 2 * cut.tile_rows && panels >= threads;
  plan.splits = few ? threads : (plan.conv.shape.columns + cut.block_columns - 1) / cut.block_columns;
  plan.blocks = (rows + cut.block_rows - 1) / cut.block_rows;
  if (!few) plan.blocks = std::min(rows, (plan.blocks + threads - 1) / threads * threads);
  plan.conv.block_rows = (rows + plan.blocks - 1) / plan.blocks;
  plan.conv.block_panels = (panels + plan.splits - 1) / plan.splits;
}

// weight(tap, channel of the source, column)
template <class Weight>
void complete(Planner& planner, GemmPlan& plan, const std::vector<Tap>& taps, const Weight& weight) {
  GemmConv& conv = plan.conv;
  const int64_t channels = conv.source.channels;
  plan.runs = join_taps(taps, conv.source);
  conv.runs = plan.runs.data();
  conv.run_count = static_cast<int64_t>(plan.runs.size());
  const bool bf16 = in_bf16(planner);
  plan.isa = conv_isa(bf16);
  const bool slab = conv.source.stride - channels >= 16;
  conv.shape =
      packed_shape(*plan.isa, static_cast<int64_t>(taps.size()) * channels, conv.finish.channels, bf16, slab);
  const auto bytes = static_cast<size_t>(conv.shape.bytes());
  Buffer packed = planner.weights(bytes);
  pack_panels(conv.shape, packed.get(), [&](int64_t k, int64_t column) {
    return weight(taps[static_cast<size_t>(k / channels)], k % channels, column);
  });
  plan.keep.push_back(planner.share(std::move(packed), bytes));
  conv.weights = plan.keep.back().get();
  conv.direct = taps.size() == 1 && taps[0].dh == 0 && taps[0].dw == 0 && conv.step_h == 1 && conv.step_w == 1 &&
                conv.grid_h == conv.source.h && conv.grid_w == conv.source.w && !conv.source.prologue() &&
                !conv.shape.narrow;
  share_out(plan);
  plan.scratch = static_cast<size_t>(plan.isa->gemm_scratch(conv) + 255) / 256 * 256;
  planner.reserve_scratch(plan.scratch * static_cast<size_t>(max_threads()));
}

void run(const GemmPlan& plan, Context& context) {
  const int64_t rows = plan.conv.rows(), panels = plan.conv.shape.panels();
  parallel_each(plan.blocks * plan.splits, [&](int64_t unit, int thread) {
    std::byte* scratch = context.scratch() + plan.scratch * static_cast<size_t>(thread);
    const int64_t block = unit % plan.blocks, split = unit / plan.blocks;
    plan.isa->gemm_block(plan.conv, rows * block / plan.blocks, rows * (block + 1) / plan.blocks,
                         panels * split / plan.splits, panels * (split + 1) / plan.splits, scratch);
  });
}

bool covers(const Planner& planner, const Conv2dParams& params) {
  return params.groups == 1 && conv_isa(in_bf16(planner)) != nullptr;
}

// Taps of one axis that reach phase `a` of dx, nearest pixel first.
struct AxisTap {
  int64_t distance, k;
};
std::vector<AxisTap> phase_taps(int64_t a, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                                int64_t offset) {
  std::vector<AxisTap> taps;
  for (int64_t k = kernel - 1; k >= 0; --k) {
    const int64_t distance = a + pad - k * dilation - offset;
    if (distance % stride == 0) taps.push_back({distance / stride, k});
  }
  return taps;
}

}  // namespace

Kernel conv2d_gemm(Planner& planner, const Conv2dArgs& args) {
  const Conv2dParams& p = args.params;
  if (!covers(planner, p) || args.y.shape.count() == 0) return {};
  const auto plan = std::make_shared<GemmPlan>();
  GemmConv& conv = plan->conv;
  conv.source = forward_source(planner, args, plan->keep);
  conv.finish = forward_finish(planner, args, plan->keep);
  conv.samples = args.y.shape.n;
  conv.grid_h = conv.out_h = args.y.shape.h;
  conv.grid_w = conv.out_w = args.y.shape.w;
  conv.step_h = p.stride_h;
  conv.step_w = p.stride_w;
  std::vector<Tap> taps;
  for (int64_t kh = 0; kh < p.kernel_h; ++kh) {
    for (int64_t kw = 0; kw < p.kernel_w; ++kw) {
      taps.push_back({kh * p.dilation_h - p.pad_h + p.offset_h, kw * p.dilation_w - p.pad_w + p.offset_w, kh, kw});
    }
  }
  const int64_t channels = args.x.shape.c;
  complete(planner, *plan, taps, [&](const Tap& tap, int64_t i, int64_t o) {
    const int64_t at = ((o * channels + i) * p.kernel_h + tap.kh) * p.kernel_w + tap.kw;
    return args.weight->data[static_cast<size_t>(at)] * channel(args.epilogue.scale, o, 1.0f);
  });
  return [plan](Context& context) { run(*plan, context); };
}

Kernel conv2d_gemm_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  const Conv2dParams& p = args.params;
  if (!covers(planner, p) || args.dx.shape.count() == 0) return {};
  const auto plans = std::make_shared<std::vector<std::shared_ptr<GemmPlan>>>();
  const int64_t channels = args.dx.shape.c;
  for (int64_t a = 0; a < std::min(p.stride_h, args.dx.shape.h); ++a) {
    for (int64_t b = 0; b < std::min(p.stride_w, args.dx.shape.w); ++b) {
      const auto plan = std::make_shared<GemmPlan>();
      GemmConv& conv = plan->conv;
      conv.source = backward_source(args);
      conv.finish = backward_finish(planner, args, plan->keep);
      conv.samples = args.dx.shape.n;
      conv.out_h = args.dx.shape.h;
      conv.out_w = args.dx.shape.w;
      conv.out_h0 = a;
      conv.out_w0 = b;
      conv.out_step_h = p.stride_h;
      conv.out_step_w = p.stride_w;
      conv.grid_h = (conv.out_h - a + p.stride_h - 1) / p.stride_h;
      conv.grid_w = (conv.out_w - b + p.stride_w - 1) / p.stride_w;
      std::vector<Tap> taps;
      for (const AxisTap& h : phase_taps(a, p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.offset_h)) {
        for (const AxisTap& w : phase_taps(b, p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.offset_w)) {
          taps.push_back({h.distance, w.distance, h.k, w.k});
        }
      }
      // Adding 0 changes nothing.
      if (taps.empty() && args.mode == Accumulate::add) continue;
      complete(planner, *plan, taps, [&](const Tap& tap, int64_t o, int64_t i) {
        const int64_t at = ((o * channels + i) * p.kernel_h + tap.kh) * p.kernel_w + tap.kw;
        return args.weight->data[static_cast<size_t>(at)] * channel(args.scale, o, 1.0f) *
               channel(args.prologue.scale, i, 1.0f);
      });
      plans->push_back(plan);
    }
  }
  return [plans](Context& context) {
    for (const auto& plan : *plans) run(*plan, context);
  };
}

}  // namespace nad::cpu
