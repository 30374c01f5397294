// Steps whose K is the whole batch (docs/METHOD.md, 5a.6) against PyTorch's double precision
// (tests/golden/make_whole_batch.py), for every backend.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "nad/learn/replay.h"
#include "nad/run/network.h"
#include "tests/specific_golden.h"

namespace nad::test {

// Of a replay case of the golden files, the first `steps` of them, or all where that is 0.
inline ReplayResult replay_whole_batch(const std::string& backend, const std::string& name, Objective objective,
                                       bool whole_batch, int64_t steps = 0) {
  const WeightsFile file(golden_file(name));
  ReplayCase c = read_replay_case(golden_file(name), file.mean(), file.stddev());
  if (steps > 0) c.steps = steps;
  LearnOptions options;
  options.objective = objective;
  options.beta = c.beta.value();
  options.lr = c.lr.value();
  options.batch = c.batch;
  options.given_noise = true;
  options.whole_batch = whole_batch;
  Context context(make_backend(backend));
  const NetworkDescription network = describe(file);
  Learner learner(context, network, load_tensors(file, network), options);
  return run_replay(learner, c);
}

inline void check_whole_batch_replay(const std::string& backend, const std::string& name, int64_t steps = 0) {
  CAPTURE(backend);
  CAPTURE(name);
  const GoldenResults golden(golden_file("whole_batch"), name);
  const ReplayResult result = replay_whole_batch(backend, name, Objective::released, true, steps);
  const std::vector<double> losses = golden.read("losses"), correct = golden.read("correct");
  bool none_right = false;
  for (size_t t = 0; t < result.skipped.size(); ++t) {
    CAPTURE(t);
    CHECK(result.skipped[t] == 0);
    CHECK(result.correct[t] == correct[t]);
    none_right = none_right || correct[t] == 0;
    for (size_t k = 0; k < 4; ++k) {
      CHECK(std::abs(result.losses[4 * t + k] - losses[4 * t + k]) <= 1e-3 * std::abs(losses[4 * t + k]));
    }
  }
  CHECK(none_right);
  for (size_t i = 0; i < result.gradient0.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(result.gradient0[i], golden.gate("grad0", i)) <= 1e-3);
    if (steps == 0) CHECK(relative_error(result.gates_final[i], golden.gate("gates_final", i)) <= 2e-3);
  }
  if (steps == 0) CHECK(relative_error(result.logits_hard, golden.read("logits_hard")) <= 1e-4);
}

inline void check_whole_batch_specific(const std::string& backend, const std::string& name, SpecificTarget target) {
  CAPTURE(backend);
  CAPTURE(name);
  CAPTURE(static_cast<int>(target));
  const SpecificGolden golden(name, target);
  const GoldenResults expected(golden_file("whole_batch"), name + "_" + to_string(target));
  LearnOptions options = golden.options(target);
  options.whole_batch = true;
  Context context(make_backend(backend));
  Learner learner(context, golden.network, load_tensors(golden.file, golden.network), options);
  const std::vector<double> steps = expected.read("steps"), losses = expected.read("losses"),
                            gradient = expected.read("gradient");
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto t = static_cast<int64_t>(steps[i]);
    CAPTURE(t);
    learner.assign(0, golden.gates(golden.logits, t, learner.channels()), {}, 0);
    golden.feed(learner, t);
    learner.step();
    const StepLoss loss = learner.loss(0);
    CHECK_FALSE(loss.skipped);
    CHECK(loss.correct == golden.correct[static_cast<size_t>(t)]);
    const double layers = loss.reconstruction - loss.cross_entropy - golden.weights[2] * loss.specificity;
    const double got[] = {loss.total, loss.cross_entropy, loss.specificity, layers, loss.regularisation};
    for (size_t k = 0; k < 5; ++k) {
      CAPTURE(k);
      CHECK(std::abs(got[k] - losses[5 * i + k]) <= 1e-4 * std::abs(losses[5 * i + k]) + 1e-6);
    }
    const GateVectors got_gradient = learner.gradient(0),
                      expected_gradient = golden.gates(gradient, static_cast<int64_t>(i), learner.channels());
    for (size_t g = 0; g < got_gradient.size(); ++g) {
      CAPTURE(g);
      CHECK(distance_where(got_gradient[g], expected_gradient[g], [](size_t) { return true; }) <= 1e-3);
    }
  }
}

}  // namespace nad::test
