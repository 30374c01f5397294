// Gradients of every op against central differences, in double, with random upstream gradients: for an op
// y = f(x, residual, gate) the loss is sum(upstream * y), and the backward entries must give its derivatives. The
// reference kernels' templates run on doubles here; test_ops ties every backend to the same templates in float.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <functional>

#include "engine/parallel.h"
#include "kernels/reference/adaptive_pool.h"
#include "kernels/reference/avg_pool.h"
#include "kernels/reference/conv2d.h"
#include "kernels/reference/epilogue_backward.h"
#include "kernels/reference/gate.h"
#include "kernels/reference/linear.h"
#include "kernels/reference/max_pool.h"
#include "kernels/reference/pointwise.h"
#include "tests/double_args.h"
#include "tests/gradient_check.h"
#include "tests/problems.h"

using namespace nad;
using namespace nad::test;

namespace {

// The parts that a producing op's gradient check needs, all random.
struct Setup {
  std::string name;
  unsigned options;
  dbl::Values x, y, residual, upstream, original, dz, dx;
  std::vector<double> table, dgate, tap_weight, tap_sum;
  std::vector<int32_t> row;
  int64_t rows, table_stride;
  Param scale, shift;

  Setup(const std::string& text, Shape xs, Shape ys, unsigned options_) : name(text), options(options_) {
    const uint64_t seed = hash_name(text);
    uint64_t stream = 0;
    const auto key = [&] { return random_key(seed, stream++); };
    x = dbl::Values(xs, key(), options);
    y = dbl::Values(ys, key(), options);
    residual = dbl::Values(ys, key(), options);
    upstream = dbl::Values(ys, key(), options);
    original = dbl::Values(ys, key(), options);
    dz = dbl::Values(ys, key(), options);
    dx = dbl::Values(xs, key(), options);
    rows = options & kMultiple ? std::min<int64_t>(ys.n, 3) + 1 : 2;
    for (int64_t n = 0; n < ys.n; ++n) row.push_back(static_cast<int32_t>(options & kMultiple ? n * rows / ys.n : 1));
    table_stride = ys.c + (options & kSlab ? 3 : 0);
    for (int64_t i = 0; i < rows * table_stride;
         ++i) {  // away from 0, where the gradient is not asked for; of both signs
      const double u = draw(Data::random, seed + 99, i);
      table.push_back(u < -0.5 ? u : 0.55 + 0.45 * u);
    }
    dgate.assign(table.size(), 0);
    for (int64_t n = 0; n < ys.n; ++n) tap_weight.push_back(n % 3 == 1 ? 0 : 0.5 + 0.1 * static_cast<double>(n));
    tap_sum.assign(static_cast<size_t>(ys.n), 0);
    scale = options & kScale ? make_param(Data::random, key(), {ys.c}) : nullptr;
    shift = options & kShift ? make_param(Data::random, key(), {ys.c}) : nullptr;
  }

  dbl::GateRef gate() const {
    return options & kGate ? dbl::GateRef{table.data(), row.data(), rows, table_stride} : dbl::GateRef{};
  }
  dbl::Epilogue epilogue() {
    const dbl::CTensor with = options & kResidual ? dbl::CTensor(residual.view()) : dbl::CTensor();
    return {scale, shift, with, (options & kRelu) != 0, gate()};
  }
  Accumulate mode() const { return mode_of(options); }

  // sum(upstream * y), plus the tap's part of the objective.
  double loss() {
    double sum = 0;
    for (int64_t i = 0; i < y.shape.count(); ++i) {
      sum += upstream[i] * y[i];
      const double difference = y[i] - original[i];
      const auto n = static_cast<size_t>(i * y.shape.n / y.shape.count());
      if (options & kTap) sum += 0.5 * tap_weight[n] * difference * difference;
    }
    return sum;
  }

  void backward_epilogue() {
    dbl::EpilogueBackwardArgs args;
    args.dy = upstream.view();
    args.y = y.view();
    args.relu = options & kRelu;
    args.gate = gate();
    if (options & kTap) {
      args.tap_target = original.view();
      args.tap_weight = tap_weight.data();
      args.tap_scale = 0.5;
      args.tap_sum = tap_sum.data();
    }
    args.dgate = dgate.data();
    args.dz = dz.view();
    reference::epilogue_backward(args);
  }
};

using Step = std::function<void(Setup&)>;

// forward fills y; backward fills dx from dz (and adds to it, where the case says so).
void check_op(Setup s, const Step& forward, const Step& backward) {
  set_threads(1);  // thousands of tiny calls: waking threads would take longer than the work
  forward(s);
  s.backward_epilogue();
  dbl::Values before = s.dx;
  backward(s);
  const auto loss = [&] {
    forward(s);
    return s.loss();
  };
  const bool add = s.mode() == Accumulate::add;
  check_gradient(
      s.name + " by x", s.x.shape.count(), [&](int64_t i) -> double& { return s.x[i]; }, loss,
      [&](int64_t i) { return s.dx[i] - (add ? before[i] : 0); });
  if (s.options & kResidual) {
    check_gradient(
        s.name + " by the residual", s.y.shape.count(), [&](int64_t i) -> double& { return s.residual[i]; }, loss,
        [&](int64_t i) { return s.dz[i]; });
  }
  if (s.options & kGate) {
    const auto table = [&](int64_t i) -> double& { return s.table[static_cast<size_t>(i)]; };
    check_gradient(s.name + " by the gate", static_cast<int64_t>(s.table.size()), table, loss,
                   [&](int64_t i) { return s.dgate[static_cast<size_t>(i)]; });
  }
}

void check_conv(const ConvCase& c) {
  const Shape xs = {c.n, c.h, c.w, c.in};
  const Param weight =
      make_param(Data::random, 3, {c.out, c.in / c.params.groups, c.params.kernel_h, c.params.kernel_w});
  const bool affine = c.options & kPrologueAffine;
  const Prologue prologue = {(c.options & kPrologueRelu) != 0, affine ? make_param(Data::random, 4, {c.in}) : nullptr,
                             affine ? make_param(Data::random, 5, {c.in}) : nullptr};
  const auto forward_weight = reference::pack_forward(*weight), backward_weight = reference::pack_backward(*weight);
  check_op(
      Setup("conv2d " + conv_text(c), xs, conv_output(c), c.options),
      [&](Setup& s) {
        reference::conv2d(dbl::Conv2dArgs{c.params, s.x.view(), weight, prologue, s.epilogue(), s.y.view()},
                          forward_weight);
      },
      [&](Setup& s) {
        reference::conv2d_backward(dbl::Conv2dBackwardArgs{c.params, s.dz.view(), weight, s.scale, prologue,
                                                           s.x.view(), s.mode(), s.dx.view()},
                                   backward_weight);
      });
}

constexpr unsigned kPoolOptions = kRelu | kGate | kMultiple | kSlab | kAdd;

}  // namespace

TEST_CASE("convolution") {
  int checked = 0;
  for (const ConvCase& c : conv_shapes()) {
    const double products = static_cast<double>(conv_output(c).count()) *
                            static_cast<double>(c.in / c.params.groups * c.params.kernel_h * c.params.kernel_w);
    if (products > 6e5) continue;  // the large ones only differ in size
    check_conv(c);
    ++checked;
  }
  CHECK(checked > 24);
}

TEST_CASE("convolution with every prologue and epilogue") {
  for (const ConvCase& c : conv_combinations()) check_conv(c);
}

TEST_CASE("linear") {
  for (TensorCase c : linear_cases()) {
    c.options &= ~unsigned{kScale};  // the backward op has none
    if (c.shape.c > 600) c.shape.c = 300, c.out = 37;
    const Param weight = make_param(Data::random, 3, {c.out, c.shape.h * c.shape.w * c.shape.c});
    check_op(
        Setup("linear " + tensor_text(c), c.shape, {c.shape.n, 1, 1, c.out}, c.options),
        [&](Setup& s) {
          reference::linear(dbl::LinearArgs{s.x.view(), weight, s.epilogue(), s.y.view()});
        },
        [&](Setup& s) {
          reference::linear_backward(dbl::LinearBackwardArgs{s.dz.view(), weight, s.mode(), s.dx.view()});
        });
  }
}

TEST_CASE("pointwise, with and without a loss tap") {
  for (TensorCase c : pointwise_cases()) {
    for (unsigned tap : {0u, unsigned{kTap}}) {
      c.options = (c.options & ~unsigned{kInPlace}) | tap;
      check_op(
          Setup("pointwise " + tensor_text(c), c.shape, c.shape, c.options),
          [](Setup& s) {
            reference::pointwise(dbl::PointwiseArgs{s.x.view(), s.epilogue(), s.y.view()});
          },
          [](Setup& s) {
            reference::pointwise_backward(dbl::PointwiseBackwardArgs{s.dz.view(), s.scale, s.mode(), s.dx.view()});
          });
    }
  }
}

TEST_CASE("tap_sum is the squared distance to the original") {
  Setup s("tap", {3, 2, 3, 5}, {3, 2, 3, 5}, kTap | kRelu);
  s.backward_epilogue();
  for (int64_t n = 0; n < 3; ++n) {
    double sum = 0;
    for (int64_t i = n * 30; i < (n + 1) * 30; ++i) sum += (s.y[i] - s.original[i]) * (s.y[i] - s.original[i]);
    CHECK(s.tap_sum[static_cast<size_t>(n)] == doctest::Approx(sum).epsilon(1e-12));
  }
}

TEST_CASE("gate on its own, repeated, with the ReLU behind it") {
  for (const TensorCase& c : gate_cases()) {
    Shape ys = c.shape;
    ys.n *= c.out;
    for (unsigned tap : {0u, unsigned{kTap}}) {
      check_op(
          Setup("gate " + tensor_text(c), c.shape, ys, c.options | kGate | tap),
          [&](Setup& s) {
            reference::gate(dbl::GateArgs{s.x.view(), s.gate(), (s.options & kRelu) != 0, c.out, s.y.view()});
          },
          [&](Setup& s) {  // x feeds every repetition
            for (int64_t i = 0; i < s.x.shape.count(); ++i) {
              s.dx[i] = 0;
              for (int64_t r = 0; r < c.out; ++r) s.dx[i] += s.dz[r * s.x.shape.count() + i];
            }
          });
    }
  }
}

TEST_CASE("max pooling") {
  for (const PoolCase& c : pool_cases()) {
    const Shape ys = pool_output(c);
    std::vector<uint8_t> argmax(static_cast<size_t>(ys.count()));
    check_op(
        Setup("max_pool " + pool_text(c), c.shape, ys, c.options & kPoolOptions),
        [&](Setup& s) {
          reference::max_pool(dbl::MaxPoolArgs{c.params, s.x.view(), s.epilogue(), s.y.view(), argmax.data()});
        },
        [&](Setup& s) {
          reference::max_pool_backward(
              dbl::MaxPoolBackwardArgs{c.params, s.dz.view(), argmax.data(), s.mode(), s.dx.view()});
        });
  }
}

TEST_CASE("average pooling") {
  for (const PoolCase& c : pool_cases()) {
    check_op(
        Setup("avg_pool " + pool_text(c), c.shape, pool_output(c), c.options & kPoolOptions),
        [&](Setup& s) {
          reference::avg_pool(dbl::AvgPoolArgs{c.params, s.x.view(), s.epilogue(), s.y.view()});
        },
        [&](Setup& s) {
          reference::avg_pool_backward(dbl::AvgPoolBackwardArgs{c.params, s.dz.view(), s.mode(), s.dx.view()});
        });
  }
}

TEST_CASE("adaptive pooling") {
  for (const AdaptiveCase& c : adaptive_cases()) {
    check_op(
        Setup("adaptive_pool " + adaptive_text(c), c.shape, {c.shape.n, c.out_h, c.out_w, c.shape.c},
              c.options & kPoolOptions),
        [](Setup& s) {
          reference::adaptive_pool(dbl::AdaptivePoolArgs{s.x.view(), s.epilogue(), s.y.view()});
        },
        [](Setup& s) {
          reference::adaptive_pool_backward(dbl::AdaptivePoolBackwardArgs{s.dz.view(), s.mode(), s.dx.view()});
        });
  }
}

// The fused op is its parts, one after another.
TEST_CASE("a convolution with prologue and epilogue equals pointwise, convolution, pointwise and gate") {
  for (const ConvCase& c : conv_combinations()) {
    const Shape xs = {c.n, c.h, c.w, c.in}, ys = conv_output(c);
    Setup s("fused " + conv_text(c), xs, ys, c.options);
    const Param weight =
        make_param(Data::random, 3, {c.out, c.in / c.params.groups, c.params.kernel_h, c.params.kernel_w});
    const auto packed = reference::pack_forward(*weight);
    const bool affine = c.options & kPrologueAffine, relu = c.options & kPrologueRelu;
    const Param scale = affine ? make_param(Data::random, 4, {c.in}) : nullptr;
    const Param shift = affine ? make_param(Data::random, 5, {c.in}) : nullptr;
    reference::conv2d(dbl::Conv2dArgs{c.params, s.x.view(), weight, {relu, scale, shift}, s.epilogue(), s.y.view()},
                      packed);

    dbl::Values loaded(xs, 0), product(ys, 0), sum(ys, 0), gated(ys, 0);
    reference::pointwise(dbl::PointwiseArgs{s.x.view(), {scale, shift, {}, relu, {}}, loaded.view()});
    reference::conv2d(dbl::Conv2dArgs{c.params, loaded.view(), weight, {}, {}, product.view()}, packed);
    dbl::Epilogue epilogue = s.epilogue();
    epilogue.gate = {};
    reference::pointwise(dbl::PointwiseArgs{product.view(), epilogue, sum.view()});
    reference::gate(dbl::GateArgs{sum.view(), s.gate(), false, 1, gated.view()});
    double worst = 0;
    for (int64_t i = 0; i < ys.count(); ++i) worst = std::max(worst, std::fabs(gated[i] - s.y[i]));
    CHECK_MESSAGE(worst <= 1e-12, s.name, ": ", worst);
  }
}
