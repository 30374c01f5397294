// Fully connected layers. With a batch's few rows they are bound by reading the weights (411 MB in VGG16), so:
// - W is read once, where the caller has it: forward and backward share the parameter itself, nothing is packed;
// - with bf16 precision it is rounded once at planning, which halves the traffic; with bf16 units the layer then is a
//   1x1 convolution of one pixel per sample, without them products and sums stay in fp32.
// Hand-written rather than oneDNN's matmul, whose order of summation may depend on the number of rows.
#include <algorithm>

#include "engine/op_checks.h"
#include "engine/parallel.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/pointwise.h"

namespace nad::cpu {

constexpr int64_t kPiece = 1024;  // inputs that are worked on at a time

struct LinearLoop {
  const float* x = nullptr;  // forward x [N, inputs], backward dz [N, outputs]
  float* y = nullptr;        // forward y [N, outputs], backward dx [N, inputs]
  int64_t samples = 0, inputs = 0, outputs = 0;
  const float* weight = nullptr;          // [outputs, inputs]
  const uint16_t* weight_bf16 = nullptr;  // the same, or null
  bool add = false;                       // backward
};

}  // namespace nad::cpu

#define NAD_LOOPS "kernels/cpu/linear_loops.h"
#include "kernels/cpu/vectorise.h"

namespace nad::cpu {
namespace {

// The weights of a kernel: the parameter itself, or its rounded copy.
struct Weights {
  Param fp32;
  Buffer bf16;
};

Weights plan_weights(Planner& planner, const Param& weight, LinearLoop& loop) {
  Weights weights;
  if (planner.precision() == Precision::bf16) {
    const size_t bytes = static_cast<size_t>(weight->count()) * sizeof(uint16_t);
    weights.bf16 = planner.weights(bytes);
    auto* rounded = reinterpret_cast<uint16_t*>(weights.bf16.get());
    const auto round = NAD_BEST(round_to_bf16);
    parallel_for(weight->count(), [&](int64_t begin, int64_t end, int) {
      round(weight->data.data() + begin, rounded + begin, end - begin);
    });
    weights.bf16 = planner.share(std::move(weights.bf16), bytes);
    loop.weight_bf16 = reinterpret_cast<const uint16_t*>(weights.bf16.get());
  } else {
    weights.fp32 = weight;
    loop.weight = weight->data.data();
    planner.read_in_place(weight);
  }
  return weights;
}

constexpr Conv2dParams kPointwise = {};
Shape one_pixel(int64_t samples, int64_t channels) { return {samples, 1, 1, channels}; }

}  // namespace

Kernel linear(Planner& planner, const LinearArgs& args) {
  check_args(args);
  const Shape in = args.x.shape, out = args.y.shape;
  const int64_t inputs = in.h * in.w * in.c;
  if (planner.precision() == Precision::bf16 && bf16_products()) {
    return conv2d_gemm(
        planner,
        {kPointwise, {args.x.data, one_pixel(in.n, inputs), inputs}, args.weight, {}, args.epilogue, args.y});
  }
  LinearLoop loop;
  loop.x = args.x.data, loop.y = args.y.data;
  loop.samples = in.n, loop.inputs = in.h * in.w * in.c, loop.outputs = out.c;
  const Weights weights = plan_weights(planner, args.weight, loop);
  const auto plan = plan_epilogue(args.epilogue, out);
  const PointwiseLoop finish{args.y.data, out.c, args.y.data, out.c, out.c, 1, plan->loop};
  const auto outputs = NAD_BEST(linear_outputs);
  const auto pixels = best_pointwise();
  return [weights, plan, loop, finish, outputs, pixels](Context&) {
    constexpr int64_t kFours = 32;  // in a range, which reads all of x
    parallel_for((loop.outputs + 3) / 4,
                 [&](int64_t begin, int64_t end, int) { outputs(loop, begin * 4, std::min(loop.outputs, end * 4)); },
                 kFours);
    if (!finish.epilogue.empty()) pixels(finish, 0, loop.samples);
  };
}

Kernel linear_backward(Planner& planner, const LinearBackwardArgs& args) {
  check_args(args);
  const Shape in = args.dx.shape, out = args.dz.shape;
  const int64_t inputs = in.h * in.w * in.c;
  if (planner.precision() == Precision::bf16 && bf16_products()) {
    return conv2d_gemm_backward(planner, {kPointwise,
                                          args.dz,
                                          args.weight,
                                          nullptr,
                                          {},
                                          {},
                                          args.mode,
                                          {args.dx.data, one_pixel(in.n, inputs), inputs}});
  }
  LinearLoop loop;
  loop.x = args.dz.data, loop.y = args.dx.data;
  loop.samples = in.n, loop.inputs = in.h * in.w * in.c, loop.outputs = out.c;
  loop.add = args.mode == Accumulate::add;
  const Weights weights = plan_weights(planner, args.weight, loop);
  const auto piece = NAD_BEST(linear_backward_inputs);
  return [weights, loop, piece](Context&) {
    parallel_for((loop.inputs + kPiece - 1) / kPiece, [&](int64_t begin, int64_t end, int) {
      piece(loop, begin * kPiece, std::min(loop.inputs, end * kPiece));
    });
  };
}

}  // namespace nad::cpu
