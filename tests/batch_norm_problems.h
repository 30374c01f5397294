// Problems (tests/compare.h) of BatchNorm by the batch's statistics.
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
  const int mean = b.flat_output("mean", Type::f32, c.shape.c),
            variance = b.flat_output("variance", Type::f32, c.shape.c);
  const int y = b.output("y", c.shape, c.options);
  b.problem.relative = 2e-6;
  b.problem.separable = false;
  b.problem.plan = [=](Planner& planner, const OpTable& ops, const Placed& p) {
    return ops.batch_norm(planner,
                          {p.tensor(x), 1e-5, p.pointer<float>(mean), p.pointer<float>(variance), p.tensor(y)});
  };
  return b.finish();
}

}  // namespace nad::test
