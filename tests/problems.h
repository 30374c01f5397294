// From a case (tests/cases.h) to a problem (tests/compare.h): convolution, linear, elementwise, pooling.
#pragma once

#include "tests/build_problem.h"

namespace nad::test {

inline Shape conv_output(const ConvCase& c) { return nad::conv_output(c.params, {c.n, c.h, c.w, c.in}, c.out); }

inline void describe_conv(Problem& p, const ConvCase& c, int64_t terms) {
  const int64_t taps = c.params.kernel_h * c.params.kernel_w;
  p.terms = terms;
  p.products = true;
  p.transformable = taps == 9 && c.params.kernel_h == 3 && c.params.stride_h == 1 && c.params.stride_w == 1 &&
                    c.params.dilation_h == 1 && c.params.dilation_w == 1 && c.params.groups == 1;
  p.flops = 2.0 * static_cast<double>(conv_output(c).count()) * static_cast<double>(c.in / c.params.groups * taps);
}

inline Problem conv_problem(const ConvCase& c, Data data) {
  Builder b("conv2d " + conv_text(c), data);
  const Shape ys = conv_output(c);
  const int x = b.input("x", {c.n, c.h, c.w, c.in}, c.options);
  const int weight = b.param({c.out, c.in / c.params.groups, c.params.kernel_h, c.params.kernel_w});
  const PrologueParams prologue = add_prologue(b, c.in, c.options);
  const EpilogueArrays epilogue = add_epilogue(b, ys, c.options);
  const int y = b.output("y", ys, c.options);
  const int tap =
      c.options & kTap ? b.flat_output("tap_sum", Type::f64, c.n / 2) : -1;  // of the backends that fill it
  if (tap >= 0) b.problem.separable = false;
  describe_conv(b.problem, c, c.in / c.params.groups * c.params.kernel_h * c.params.kernel_w);
  b.problem.plan = [=, params = c.params](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.conv2d(planner,
                        {params, placed.tensor(x), placed.param(weight), prologue.on(placed), epilogue.on(placed),
                         placed.tensor(y), table.conv2d_sums_taps ? placed.pointer<double>(tap) : nullptr});
  };
  return b.finish();
}

inline Problem conv_backward_problem(const ConvCase& c, Data data) {
  Builder b("conv2d_backward " + conv_text(c), data);
  const Shape xs = {c.n, c.h, c.w, c.in};
  const int dz = b.input("dz", conv_output(c), c.options);
  const int weight = b.param({c.out, c.in / c.params.groups, c.params.kernel_h, c.params.kernel_w});
  const int scale = c.options & kScale ? b.param({c.out}) : -1;
  const PrologueParams prologue = add_prologue(b, c.in, c.options);
  const int x = c.options & (kPrologueRelu | kPrologueAffine) ? b.input("x", xs, c.options) : -1;
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", xs, c.options, mode);
  describe_conv(b.problem, c, c.out / c.params.groups * c.params.kernel_h * c.params.kernel_w);
  b.problem.plan = [=, params = c.params](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.conv2d_backward(planner, {params, placed.tensor(dz), placed.param(weight), placed.param(scale),
                                           prologue.on(placed), placed.tensor(x), mode, placed.tensor(dx)});
  };
  return b.finish();
}

// ---- convolution and max-pool in one; no kernel where the backend does not fuse the case ----
inline constexpr PoolParams kHalve = {2, 2, 2, 2, 0, 0};

inline bool fuses_max_pool(const Planner& planner, const OpTable& table, const ConvCase& c) {
  return table.fuses_max_pool && table.fuses_max_pool(planner, c.params, kHalve, {c.n, c.h, c.w, c.in}, c.out);
}

// Of each output [ys], a random pixel of its window that lies inside the image [xs]. On a device any of the window,
// so that some lie outside, where no gradient is gathered.
inline int add_positions(Builder& b, const PoolParams& p, const Shape& ys, const Shape& xs) {
  const int64_t taps = p.kernel_h * p.kernel_w;
  if (b.on_device()) return b.positions("argmax", ys, static_cast<int>(taps));
  Array positions = make_array("argmax", Type::u8, ys, false);
  const uint64_t key = b.key();
  for (int64_t i = 0; i < positions.count(); ++i) {
    const int64_t pixel = i / ys.c, top = pixel / ys.w % ys.h * p.stride_h - p.pad_h;
    const int64_t left = pixel % ys.w * p.stride_w - p.pad_w;
    for (uint64_t attempt = 0;; ++attempt) {
      const auto k = static_cast<int64_t>(random_bits(key, static_cast<uint64_t>(i) * 997 + attempt) %
                                          static_cast<uint64_t>(taps));
      const int64_t h = top + k / p.kernel_w, w = left + k % p.kernel_w;
      if (h < 0 || w < 0 || h >= xs.h || w >= xs.w) continue;
      positions.set<uint8_t>(i, static_cast<uint8_t>(k));
      break;
    }
  }
  return b.append(positions);
}

inline Problem conv_max_pool_problem(const ConvCase& c, Data data) {
  Builder b("conv2d_max_pool " + conv_text(c), data);
  const Shape ys = nad::pool_output(kHalve, conv_output(c));
  const int x = b.input("x", {c.n, c.h, c.w, c.in}, c.options);
  const int weight = b.param({c.out, c.in, c.params.kernel_h, c.params.kernel_w});
  const EpilogueArrays epilogue = add_epilogue(b, ys, c.options);
  const int y = b.output("y", ys, c.options);
  const int argmax = c.options & kAdd ? -1 : b.position_output("argmax", ys);
  describe_conv(b.problem, c, c.in * c.params.kernel_h * c.params.kernel_w);
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    if (!fuses_max_pool(planner, table, c)) return Kernel();
    return table.conv2d_max_pool(planner, {c.params, kHalve, placed.tensor(x), placed.param(weight),
                                           epilogue.on(placed), placed.tensor(y), placed.pointer<uint8_t>(argmax)});
  };
  return b.finish();
}

inline Problem conv_max_pool_backward_problem(const ConvCase& c, Data data) {
  Builder b("conv2d_max_pool_backward " + conv_text(c), data);
  const Shape ys = nad::pool_output(kHalve, conv_output(c));
  const int dz = b.input("dz", ys, c.options);
  const int argmax = add_positions(b, kHalve, ys, {c.n, conv_output(c).h, conv_output(c).w, c.out});
  const int weight = b.param({c.out, c.in, c.params.kernel_h, c.params.kernel_w});
  const int scale = c.options & kScale ? b.param({c.out}) : -1;
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", {c.n, c.h, c.w, c.in}, c.options, mode);
  describe_conv(b.problem, c, c.out * c.params.kernel_h * c.params.kernel_w);
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    if (!fuses_max_pool(planner, table, c)) return Kernel();
    return table.conv2d_max_pool_backward(
        planner, {c.params, kHalve, placed.tensor(dz), placed.pointer<uint8_t>(argmax), placed.param(weight),
                  placed.param(scale), mode, placed.tensor(dx)});
  };
  return b.finish();
}

inline std::string tensor_text(const TensorCase& c) {
  return to_string(c.shape) + " -> " + std::to_string(c.out) + option_text(c.options);
}

inline Problem linear_problem(const TensorCase& c, Data data) {
  Builder b("linear " + tensor_text(c), data);
  const int64_t in = c.shape.h * c.shape.w * c.shape.c;
  const int x = b.input("x", c.shape), weight = b.param({c.out, in});
  const Shape ys = {c.shape.n, 1, 1, c.out};
  const EpilogueArrays epilogue = add_epilogue(b, ys, c.options);
  const int y = b.output("y", ys);
  b.problem.terms = in;
  b.problem.products = true;
  b.problem.flops = 2.0 * static_cast<double>(c.shape.n * in * c.out);
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.linear(planner, {placed.tensor(x), placed.param(weight), epilogue.on(placed), placed.tensor(y)});
  };
  return b.finish();
}

inline Problem linear_backward_problem(const TensorCase& c, Data data) {
  Builder b("linear_backward " + tensor_text(c), data);
  const int64_t in = c.shape.h * c.shape.w * c.shape.c;
  const int dz = b.input("dz", {c.shape.n, 1, 1, c.out}), weight = b.param({c.out, in});
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", c.shape, 0, mode);
  b.problem.terms = c.out;
  b.problem.products = true;
  b.problem.flops = 2.0 * static_cast<double>(c.shape.n * in * c.out);
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.linear_backward(planner, {placed.tensor(dz), placed.param(weight), mode, placed.tensor(dx)});
  };
  return b.finish();
}

inline Problem pointwise_problem(const TensorCase& c, Data data) {
  Builder b("pointwise " + tensor_text(c), data);
  const int x = b.input("x", c.shape, c.options);
  const EpilogueArrays epilogue = add_epilogue(b, c.shape, c.options);
  const int y = b.output("y", c.shape, c.options);
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.pointwise(planner, {placed.tensor(x), epilogue.on(placed), placed.tensor(y)});
  };
  return b.finish();
}

inline Problem pointwise_backward_problem(const TensorCase& c, Data data) {
  Builder b("pointwise_backward " + tensor_text(c), data);
  const Accumulate mode = c.options & kInPlace ? Accumulate::overwrite : mode_of(c.options);
  const int dz = b.input("dz", c.shape, c.options);
  const int scale = c.options & kScale ? b.param({c.shape.c}) : -1;
  const int dx = c.options & kInPlace ? dz : b.output("dx", c.shape, c.options, mode);
  b.array(dx).output = true;
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.pointwise_backward(planner, {placed.tensor(dz), placed.param(scale), mode, placed.tensor(dx)});
  };
  return b.finish();
}

inline Problem gate_problem(const TensorCase& c, Data data) {
  Builder b("gate " + tensor_text(c), data);
  Shape ys = c.shape;
  ys.n *= c.out;
  const int x = b.input("x", c.shape, c.options);
  const GateArrays gate = add_gate(b, ys.n, ys.c, c.options);
  const int y = b.output("y", ys, c.options);
  b.problem.separable = c.out == 1;
  b.problem.plan = [=, repeat = c.out, relu = (c.options & kRelu) != 0](Planner& planner, const OpTable& table,
                                                                        const Placed& placed) {
    return table.gate(planner,
                      {placed.tensor(x), gate.on(placed), relu && !placed.absolute(), repeat, placed.tensor(y)});
  };
  return b.finish();
}

// y as a forward op would leave it: gate * max(z, 0), half of it zero.
inline int add_gated_output(Builder& b, const TensorCase& c, const GateArrays& gate) {
  const int y = b.input("y", c.shape, c.options);
  Array& values = b.array(y);
  if (b.on_device()) {
    values.content = Content::rectified;
    return y;
  }
  const int64_t per_sample = c.shape.count() / c.shape.n;
  for (int64_t i = 0; i < values.count(); ++i) {
    float z = values.get<float>(i);
    if (c.options & kRelu) z = std::max(z, 0.0f);
    if (gate.table >= 0) {
      z *= b.array(gate.table).get<float>(b.array(gate.row).get<int32_t>(i / per_sample) * c.shape.c + i % c.shape.c);
    }
    values.set(i, z);
  }
  return y;
}

inline Problem epilogue_backward_problem(const TensorCase& c, Data data) {
  Builder b("epilogue_backward " + tensor_text(c), data);
  GateArrays gate;
  if (c.options & kGate) gate = add_gate(b, c.shape.n, c.shape.c, c.options);
  const int y = add_gated_output(b, c, gate);
  const int dy = b.input("dy", c.shape, c.options);
  int original = -1, weight = -1, sum = -1, dgate = -1, dz = -1;
  if (c.options & kTap) {
    original = b.input("original", c.shape, c.options);
    b.array(original).negative = true;  // y - original
    std::vector<float> weights = b.uniform(c.shape.n, 0, 1);
    for (float& w : weights) w = w < 0.3f ? 0.0f : b.exact() ? 0.5f : w;
    weight = b.sample_input("tap_weight", weights);
    sum = b.sample_output("tap_sum", Type::f64, c.shape.n);
  }
  if (c.options & kGate) {
    Array gradient = Builder::slab("dgate", {1, 1, gate.rows, c.shape.c}, c.options, true);
    if (!(c.options & kMultiple)) {  // row 0 does not occur and must stay as it is: not an output
      gradient = make_array("dgate", Type::f32, {1, 1, 1, c.shape.c}, true, gate.stride + gradient.first);
    }
    gradient.per_sample = false;
    dgate = b.append(gradient);
  }
  if (!(c.options & kNoData)) dz = c.options & kInPlace ? dy : b.output("dz", c.shape, c.options);
  if (dz >= 0) b.array(dz).output = true;
  b.problem.terms = c.shape.pixels();
  b.problem.separable = !(c.options & kGate);
  // the table's first row lies in front of the elements that this case writes
  const int64_t skipped = c.options & kMultiple ? 0 : gate.stride;
  b.problem.plan = [=, relu = (c.options & kRelu) != 0](Planner& planner, const OpTable& table,
                                                        const Placed& placed) {
    float* gradient = dgate < 0 ? nullptr : placed.pointer<float>(dgate) - skipped;
    return table.epilogue_backward(planner, {placed.tensor(dy), placed.tensor(y), relu && !placed.absolute(),
                                             gate.on(placed), placed.tensor(original), placed.pointer<float>(weight),
                                             0.5f, placed.pointer<double>(sum), gradient, placed.tensor(dz)});
  };
  return b.finish();
}

// ---- pooling -----------------------------------------------------------------------------------------------------
inline std::string pool_text(const PoolCase& c) {
  const PoolParams& p = c.params;
  return to_string(c.shape) + " k" + std::to_string(p.kernel_h) + std::to_string(p.kernel_w) + " s" +
         std::to_string(p.stride_h) + std::to_string(p.stride_w) + " p" + std::to_string(p.pad_h) +
         std::to_string(p.pad_w) + (p.count_include_pad ? "" : " inside") + option_text(c.options);
}

inline Shape pool_output(const PoolCase& c) { return nad::pool_output(c.params, c.shape); }

inline Problem max_pool_problem(const PoolCase& c, Data data) {
  Builder b("max_pool " + pool_text(c), data);
  const Shape ys = pool_output(c);
  const int x = b.input("x", c.shape, c.options);
  const EpilogueArrays epilogue = add_epilogue(b, ys, c.options & (kRelu | kGate | kMultiple));
  const int y = b.output("y", ys, c.options);
  const int argmax = c.options & kAdd ? -1 : b.position_output("argmax", ys);
  b.problem.plan = [=, params = c.params](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.max_pool(
        planner, {params, placed.tensor(x), epilogue.on(placed), placed.tensor(y), placed.pointer<uint8_t>(argmax)});
  };
  return b.finish();
}

inline Problem max_pool_backward_problem(const PoolCase& c, Data data) {
  Builder b("max_pool_backward " + pool_text(c), data);
  const Shape ys = pool_output(c);
  const PoolParams& p = c.params;
  const int dz = b.input("dz", ys, c.options);
  const int argmax = add_positions(b, p, ys, c.shape);
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", c.shape, c.options, mode);
  b.problem.terms = p.kernel_h * p.kernel_w;
  b.problem.plan = [=, params = c.params](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.max_pool_backward(
        planner, {params, placed.tensor(dz), placed.pointer<uint8_t>(argmax), mode, placed.tensor(dx)});
  };
  return b.finish();
}

inline Problem avg_pool_problem(const PoolCase& c, Data data) {
  Builder b("avg_pool " + pool_text(c), data);
  const Shape ys = pool_output(c);
  const int x = b.input("x", c.shape, c.options);
  const EpilogueArrays epilogue = add_epilogue(b, ys, c.options & (kRelu | kGate | kMultiple));
  const int y = b.output("y", ys, c.options);
  b.problem.terms = c.params.kernel_h * c.params.kernel_w;
  b.problem.plan = [=, params = c.params](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.avg_pool(planner, {params, placed.tensor(x), epilogue.on(placed), placed.tensor(y)});
  };
  return b.finish();
}

inline Problem avg_pool_backward_problem(const PoolCase& c, Data data) {
  Builder b("avg_pool_backward " + pool_text(c), data);
  const int dz = b.input("dz", pool_output(c), c.options);
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", c.shape, c.options, mode);
  b.problem.terms = c.params.kernel_h * c.params.kernel_w;
  b.problem.plan = [=, params = c.params](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.avg_pool_backward(planner, {params, placed.tensor(dz), mode, placed.tensor(dx)});
  };
  return b.finish();
}

inline std::string adaptive_text(const AdaptiveCase& c) {
  return to_string(c.shape) + " -> " + std::to_string(c.out_h) + "x" + std::to_string(c.out_w) +
         option_text(c.options);
}

inline Problem adaptive_pool_problem(const AdaptiveCase& c, Data data) {
  Builder b("adaptive_pool " + adaptive_text(c), data);
  const Shape ys = {c.shape.n, c.out_h, c.out_w, c.shape.c};
  const int x = b.input("x", c.shape, c.options);
  const EpilogueArrays epilogue = add_epilogue(b, ys, c.options & (kRelu | kGate | kMultiple));
  const int y = b.output("y", ys, c.options);
  b.problem.terms = c.shape.h * c.shape.w;
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.adaptive_pool(planner, {placed.tensor(x), epilogue.on(placed), placed.tensor(y)});
  };
  return b.finish();
}

inline Problem adaptive_pool_backward_problem(const AdaptiveCase& c, Data data) {
  Builder b("adaptive_pool_backward " + adaptive_text(c), data);
  const int dz = b.input("dz", {c.shape.n, c.out_h, c.out_w, c.shape.c}, c.options);
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", c.shape, c.options, mode);
  b.problem.terms = c.out_h * c.out_w;
  b.problem.plan = [=](Planner& planner, const OpTable& table, const Placed& placed) {
    return table.adaptive_pool_backward(planner, {placed.tensor(dz), mode, placed.tensor(dx)});
  };
  return b.finish();
}

}  // namespace nad::test
