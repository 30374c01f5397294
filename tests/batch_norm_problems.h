// Problems (tests/compare.h) of BatchNorm with the batch's statistics.
#pragma once

#include "engine/ops.h"
#include "tests/build_problem.h"

namespace nad::test {

inline std::string norm_text(const NormCase& c) { return to_string(c.shape) + option_text(c.options); }

inline Problem batch_norm_problem(const NormCase& c, Data data) {
  Builder b("batch_norm " + norm_text(c), data);
  const int x = b.input("x", c.shape, c.options);
  for (int64_t i = 0; c.mean != 0 && i < b.array(x).count(); ++i)
    b.array(x).set(i, b.array(x).get<float>(i) + c.mean);
  const int64_t channels = c.shape.c;
  const int gamma = b.flat_input("gamma", b.uniform(channels, 0.5, 2)),
            beta = b.flat_input("beta", b.uniform(channels, -1, 1));
  const int mean = b.flat_output("mean", Type::f32, channels), rstd = b.flat_output("rstd", Type::f32, channels);
  const int running_mean = b.flat_input("running_mean", b.uniform(channels, -1, 1), true);
  const int running_variance = b.flat_input("running_variance", b.uniform(channels, 0.5, 2), true);
  const int y = b.output("y", c.shape, c.options);
  b.problem.relative = 2e-6;
  b.problem.separable = false;
  b.problem.plan = [=, relu = (c.options & kRelu) != 0](Planner& planner, const OpTable& ops, const Placed& p) {
    return ops.batch_norm(planner, {p.tensor(x), p.pointer<float>(gamma), p.pointer<float>(beta), 1e-5f, 0.1f, relu,
                                    p.pointer<float>(mean), p.pointer<float>(rstd), p.pointer<float>(running_mean),
                                    p.pointer<float>(running_variance), p.tensor(y)});
  };
  return b.finish();
}

inline Problem batch_norm_backward_problem(const NormCase& c, Data data) {
  Builder b("batch_norm_backward " + norm_text(c), data);
  const int dy = b.input("dy", c.shape, c.options), x = b.input("x", c.shape, c.options);
  const int y = c.options & kRelu ? b.input("y", c.shape, c.options) : -1;
  if (y >= 0 && b.on_device()) b.array(y).content = Content::rectified;
  for (int64_t i = 0; y >= 0 && !b.on_device() && i < b.array(y).count(); ++i) {
    b.array(y).set(i, std::max(0.0f, b.array(y).get<float>(i)));
  }
  const int64_t channels = c.shape.c;
  const int gamma = b.flat_input("gamma", b.uniform(channels, 0.5, 2)),
            mean = b.flat_input("mean", b.uniform(channels, -1, 1));
  const int rstd = b.flat_input("rstd", b.uniform(channels, 0.5, 2));
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", c.shape, c.options, mode);
  const int dgamma = b.flat_output("dgamma", Type::f32, channels),
            dbeta = b.flat_output("dbeta", Type::f32, channels);
  b.problem.relative = 2e-6;
  b.problem.separable = false;
  b.problem.plan = [=](Planner& planner, const OpTable& ops, const Placed& p) {
    return ops.batch_norm_backward(
        planner, {p.tensor(dy), p.tensor(x), p.tensor(y), p.pointer<float>(gamma), p.pointer<float>(mean),
                  p.pointer<float>(rstd), mode, p.tensor(dx), p.pointer<float>(dgamma), p.pointer<float>(dbeta)});
  };
  return b.finish();
}

}  // namespace nad::test
