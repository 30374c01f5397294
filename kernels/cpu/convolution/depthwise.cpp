// Depthwise convolution (groups = channels, as in DARTS' separable and dilated convolutions): every channel has its
// own small kernel, so vectors run along channels and the work is loads, not products. Without a stride the backward
// pass is the forward one with the kernel turned round.
#include <algorithm>

#include "engine/parallel.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/epilogue.h"

namespace nad::cpu {

constexpr int kPixels = 7;         // outputs of a row that are computed together; planes are 7, 14, 28, ... wide
constexpr int kLargestKernel = 7;  // of the fast way

struct DepthwiseLoop {
  const float* x = nullptr;  // forward x, backward dz
  int64_t x_stride = 0;
  Shape x_shape;
  const float* weight = nullptr;  // [KH, KW, C]
  const float* zeros = nullptr;   // [C]
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_h = 0, pad_w = 0;           // minus the offset; may be negative
  bool gather = false;                    // backward of a convolution with a stride
  const float* prologue_scale = nullptr;  // [C] or null
  const float* prologue_shift = nullptr;
  bool prologue_relu = false;
  float* y = nullptr;  // forward y, backward dx
  int64_t y_stride = 0;
  Shape y_shape;
  EpilogueLoop epilogue;  // forward
  // Backward: the result is multiplied with the prologue's
  // derivative at the forward pass's x, where this is not null.
  const float* forward_x = nullptr;
  int64_t forward_stride = 0;
  const float* forward_scale = nullptr;  // [C] or null
  const float* forward_shift = nullptr;
  bool forward_relu = false;
  bool add = false;
  bool plain = false;  // nothing but the sum is stored
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/convolution/depthwise_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

bool is_depthwise(const Conv2dParams& p, const Shape& x, const Shape& y) {
  return p.groups == x.c && x.c == y.c && p.groups > 1;
}

// [C, 1, KH, KW] to [KH, KW, C], times scale[C] where given, turned round where asked; then a row of zeros.
Buffer pack(Planner& planner, const Param& weight, const Param& scale, bool turn) {
  const int64_t channels = weight->shape[0], taps = weight->shape[2] * weight->shape[3];
  const size_t bytes = static_cast<size_t>(channels * (taps + 1)) * sizeof(float);
  Buffer packed = planner.weights(bytes);
  auto* to = reinterpret_cast<float*>(packed.get());
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t target = turn ? taps - 1 - tap : tap;
    for (int64_t c = 0; c < channels; ++c) {
      const float factor = scale ? scale->data[static_cast<size_t>(c)] : 1.f;
      to[target * channels + c] = factor * weight->data[static_cast<size_t>(c * taps + tap)];
    }
  }
  return planner.share(std::move(packed), bytes);
}

void set_params(DepthwiseLoop& loop, const Conv2dParams& p, const Buffer& weight, int64_t channels) {
  loop.weight = reinterpret_cast<const float*>(weight.get());
  loop.zeros = loop.weight + p.kernel_h * p.kernel_w * channels;
  loop.kernel_h = p.kernel_h, loop.kernel_w = p.kernel_w;
  loop.stride_h = p.stride_h, loop.stride_w = p.stride_w;
  loop.dilation_h = p.dilation_h, loop.dilation_w = p.dilation_w;
  loop.pad_h = p.pad_h - p.offset_h, loop.pad_w = p.pad_w - p.offset_w;
}

// The prologue's vectors, kept alive by the kernel. Both are set where either is given.
struct ProloguePlan {
  std::vector<float> scale, shift;
};
std::shared_ptr<const ProloguePlan> plan_prologue(const Prologue& prologue, int64_t channels) {
  auto plan = std::make_shared<ProloguePlan>();
  if (prologue.scale || prologue.shift) {
    plan->scale = values_or(prologue.scale, channels, 1);
    plan->shift = values_or(prologue.shift, channels, 0);
  }
  return plan;
}
const float* pointer_or_null(const std::vector<float>& values) { return values.empty() ? nullptr : values.data(); }

void run_rows(const DepthwiseLoop& loop, void (*rows)(const DepthwiseLoop&, int64_t, int64_t)) {
  parallel_each(loop.y_shape.n * loop.y_shape.h, [&](int64_t row, int) { rows(loop, row, row + 1); });
}

}  // namespace

Kernel conv2d_depthwise(Planner& planner, const Conv2dArgs& args) {
  if (!is_depthwise(args.params, args.x.shape, args.y.shape)) return {};
  const auto prologue = plan_prologue(args.prologue, args.x.shape.c);
  const auto epilogue = plan_epilogue(args.epilogue, args.y.shape);
  const Buffer weight = pack(planner, args.weight, nullptr, false);
  DepthwiseLoop loop;
  set_params(loop, args.params, weight, args.y.shape.c);
  loop.x = args.x.data, loop.x_stride = args.x.stride, loop.x_shape = args.x.shape;
  loop.prologue_scale = pointer_or_null(prologue->scale), loop.prologue_shift = pointer_or_null(prologue->shift);
  loop.prologue_relu = args.prologue.relu;
  loop.y = args.y.data, loop.y_stride = args.y.stride, loop.y_shape = args.y.shape;
  loop.epilogue = epilogue->loop;
  loop.plain = loop.epilogue.empty();
  const auto rows = NAD_BEST(depthwise_rows);
  return [prologue, epilogue, weight, loop, rows](Context&) { run_rows(loop, rows); };
}

Kernel conv2d_depthwise_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  const Conv2dParams& p = args.params;
  if (!is_depthwise(p, args.dx.shape, args.dz.shape)) return {};
  const bool turn = p.stride_h == 1 && p.stride_w == 1;
  const auto prologue = plan_prologue(args.prologue, args.dx.shape.c);
  const Buffer weight = pack(planner, args.weight, args.scale, turn);
  DepthwiseLoop loop;
  set_params(loop, p, weight, args.dx.shape.c);
  loop.gather = !turn;
  if (turn) {
    loop.pad_h = (p.kernel_h - 1) * p.dilation_h - loop.pad_h;
    loop.pad_w = (p.kernel_w - 1) * p.dilation_w - loop.pad_w;
  }
  loop.x = args.dz.data, loop.x_stride = args.dz.stride, loop.x_shape = args.dz.shape;
  loop.y = args.dx.data, loop.y_stride = args.dx.stride, loop.y_shape = args.dx.shape;
  if (args.prologue) {
    loop.forward_x = args.x.data, loop.forward_stride = args.x.stride;
    loop.forward_scale = pointer_or_null(prologue->scale), loop.forward_shift = pointer_or_null(prologue->shift);
    loop.forward_relu = args.prologue.relu;
  }
  loop.add = args.mode == Accumulate::add;
  loop.plain = !loop.forward_x && !loop.add;
  const auto rows = NAD_BEST(depthwise_rows);
  return [prologue, weight, loop, rows](Context&) { run_rows(loop, rows); };
}

}  // namespace nad::cpu
