// Gate learning on the CUDA backend, on the host model of the device, against PyTorch's
// golden numbers: every family, every objective; the captured step gives the bytes of
// the eager one, and a class the same bytes alone and among others. The whole trajectories
// of the smallest networks, the first steps of the others: test_learner has them all.
#include <cstring>

#include "engine/rng.h"
#include "nad/learn/learner.h"
#include "nad/learn/replay.h"
#include "nad/run/network.h"
#include "tests/cuda_main.h"
#include "tests/golden_results.h"
#include "tests/whole_batch_check.h"

using namespace nad;

namespace {

std::string golden_path(const std::string& name) {
  return std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5";
}

struct Setup {
  WeightsFile file;
  NetworkDescription network;
  ReplayCase replay_case;
  std::string path;
  explicit Setup(const std::string& name, int64_t steps = 0)
      : file(golden_path(name)),
        network(describe(file)),
        replay_case(read_replay_case(golden_path(name), file.mean(), file.stddev())),
        path(golden_path(name)) {
    if (steps > 0) replay_case.steps = steps;
  }

  LearnOptions options(Objective objective) const {
    LearnOptions o;
    o.objective = objective;
    o.beta = replay_case.beta.value();
    o.lr = replay_case.lr.value();
    o.batch = replay_case.batch;
    o.given_noise = true;
    return o;
  }
};

ReplayResult replay(const Setup& setup, Objective objective, Precision precision = Precision::fp32,
                    bool graph = true) {
  Context context(make_backend("cuda", {.graph = graph}), precision);
  Learner learner(context, setup.network, load_tensors(setup.file, setup.network), setup.options(objective));
  return run_replay(learner, setup.replay_case);
}

// The steps that ran, the first gradient and the original network's logits. `tolerance` multiplies the fp32 bounds.
void compare_steps(const ReplayResult& result, const test::GoldenResults& golden, double tolerance = 1) {
  const std::vector<double> losses = golden.read("losses"), skipped = golden.read("skipped"),
                            correct = golden.read("correct");
  for (size_t t = 0; t < result.skipped.size(); ++t) {
    CAPTURE(t);
    CHECK(result.skipped[t] == skipped[t]);
    CHECK(result.correct[t] == correct[t]);
    for (size_t k = 0; k < 4 && skipped[t] == 0; ++k) {
      const double got = result.losses[4 * t + k], expected = losses[4 * t + k];
      CHECK_MESSAGE(std::abs(got - expected) <= 1e-3 * tolerance * std::abs(expected), "loss ", k, ": ", got,
                    ", expected ", expected);
    }
  }
  for (size_t i = 0; i < result.gradient0.size(); ++i) {
    CAPTURE(i);
    CHECK(test::relative_error(result.gradient0[i], golden.gate("grad0", i)) <= 1e-3 * tolerance);
  }
  CHECK(test::relative_error(result.logits_original, golden.read("logits_orig")) <= 1e-4 * tolerance);
}

void compare_end(const ReplayResult& result, const test::GoldenResults& golden) {
  int64_t equal = 0, total = 0;
  for (size_t i = 0; i < result.gates_final.size(); ++i) {
    CAPTURE(i);
    CHECK(test::relative_error(result.gates_final[i], golden.gate("gates_final", i)) <= 2e-3);
    const std::vector<double> hard = golden.gate("hard", i);
    REQUIRE(hard.size() == result.gates_final[i].size());
    for (size_t c = 0; c < hard.size(); ++c) equal += (result.gates_final[i][c] > 0) == (hard[c] > 0.5);
    total += static_cast<int64_t>(hard.size());
  }
  CHECK(static_cast<double>(equal) >= 0.995 * static_cast<double>(total));
  CHECK(test::relative_error(result.logits_hard, golden.read("logits_hard")) <= 1e-4);
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

bool same_gates(const GateVectors& a, const GateVectors& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) same = same_bytes(a[i], b[i]);
  return same;
}

void check_same(const ReplayResult& a, const ReplayResult& b) {
  CHECK(same_bytes(a.losses, b.losses));
  CHECK(same_gates(a.gates_final, b.gates_final));
  CHECK(same_bytes(a.logits_original, b.logits_original));
  CHECK(same_bytes(a.logits_hard, b.logits_hard));
}

constexpr Objective kObjectives[] = {Objective::released, Objective::paper, Objective::variational};

}  // namespace

TEST_CASE("whole trajectories of the smallest networks equal PyTorch's") {
  for (const char* name : {"vgg16_pooled", "resnet50_narrow", "darts_cifar"}) {
    const Setup setup(name);
    for (Objective objective : kObjectives) {
      CAPTURE(name);
      CAPTURE(to_string(objective));
      const ReplayResult result = replay(setup, objective);
      const test::GoldenResults golden(setup.path, "f64_" + to_string(objective));
      compare_steps(result, golden);
      compare_end(result, golden);
    }
  }
}

TEST_CASE("the first steps of all four families equal PyTorch's") {
  for (const char* name :
       {"vgg16_small", "resnet50_small", "densenet121_small", "darts_small", "darts_exotic", "darts_dead_end"}) {
    CAPTURE(name);
    const Setup setup(name, 2);
    compare_steps(replay(setup, Objective::released), test::GoldenResults(setup.path, "f64_released"));
  }
}

TEST_CASE("steps of specific gates equal PyTorch's") {
  for (const char* name : test::kSpecificNetworks) {
    for (const SpecificTarget target : test::kTargets) {
      CAPTURE(name);
      CAPTURE(static_cast<int>(target));
      test::follow_specific("cuda", name, target, 2);
    }
  }
  test::follow_specific("cuda", "vgg16_small", SpecificTarget::all, 10);  // fewer images, none, a skipped step
}

TEST_CASE("steps whose K is the whole batch equal PyTorch's") {
  for (const char* name : {"resnet50_narrow", "darts_cifar"}) {
    test::check_whole_batch_replay("cuda", name, 4);  // the fourth has no image that is right
  }
  test::check_whole_batch_specific("cuda", "vgg16_small", SpecificTarget::named_class);
}

TEST_CASE("tf32 and bf16 products stay near the double-precision losses") {
  for (const char* name : {"vgg16_pooled", "resnet50_narrow", "darts_cifar"}) {
    CAPTURE(name);
    const Setup setup(name, 1);
    for (Precision precision : {Precision::tf32, Precision::bf16}) {
      CAPTURE(to_string(precision));
      const ReplayResult result = replay(setup, Objective::released, precision);
      const test::GoldenResults golden(setup.path, "f64_released");
      const double logits = test::relative_error(result.logits_original, golden.read("logits_orig"));
      CHECK(logits <= (precision == Precision::tf32 ? 0.005 : 0.05));
      CHECK(logits > 0);
      const double expected = golden.read("losses")[0];
      CHECK(std::abs(result.losses[0] - expected) <=
            (precision == Precision::tf32 ? 0.003 : 0.03) * std::abs(expected));
    }
  }
}

TEST_CASE("the captured step gives the bytes of the eager step") {
  for (const char* name : {"vgg16_pooled", "resnet50_narrow", "darts_cifar"}) {
    CAPTURE(name);
    const Setup setup(name, 4);
    for (Objective objective : kObjectives) {
      check_same(replay(setup, objective), replay(setup, objective, Precision::fp32, false));
    }
  }
}

TEST_CASE("the captured step of specific gates gives the bytes of the eager one, also where a weight changes") {
  const test::SpecificGolden golden("vgg16_small", SpecificTarget::all);
  GateVectors logits[2];
  Moments moments[2];
  for (const bool graph : {false, true}) {
    Context context(make_backend("cuda", {.graph = graph}));
    Learner learner(context, golden.network, load_tensors(golden.file, golden.network),
                    golden.options(SpecificTarget::all));
    learner.assign(0, golden.gates(golden.logits, 0, learner.channels()), {}, 0);
    for (int64_t t = 0; t < 5; ++t) {
      golden.feed(learner, t);
      if (t == 3) learner.set_lambda(0, 4);  // the graph is replayed by then
      learner.step();
    }
    logits[graph] = learner.logits(0);
    moments[graph] = learner.moments(0);
  }
  CHECK(same_gates(logits[0], logits[1]));
  CHECK(moments[0] == moments[1]);
  CHECK(moments[0].steps == 5);
}

TEST_CASE("the order of lanes and blocks changes nothing") {
  const Setup setup("resnet50_narrow", 2);
  const ReplayResult first = replay(setup, Objective::released);
  host_cuda::settings().lanes = host_cuda::settings().blocks = host_cuda::Order::shuffled;
  const ReplayResult second = replay(setup, Objective::released);
  host_cuda::reset();
  check_same(first, second);
}

namespace {

// Learns classes (label = class index) for a few steps on pseudo-random images; returns the logits of the first.
GateVectors learn_together(const Setup& setup, Objective objective, const std::vector<int64_t>& classes,
                           int64_t slots, int64_t slot_of_first) {
  LearnOptions options = setup.options(objective);
  options.given_noise = false;
  options.slots = slots;
  options.batch = 2;
  Context context(make_backend("cuda"));
  Learner learner(context, setup.network, load_tensors(setup.file, setup.network), options);
  const auto slot_of = [&](size_t k) { return (slot_of_first + static_cast<int64_t>(k)) % slots; };
  for (size_t k = 0; k < classes.size(); ++k) {
    const uint64_t key = class_key(7, classes[k]);
    learner.assign(slot_of(k), initial_gates(learner.channels(), key), {}, key);
  }
  const int64_t size = learner.input_size();
  for (uint64_t t = 0; t < 3; ++t) {
    for (size_t k = 0; k < classes.size(); ++k) {
      std::vector<float> images(static_cast<size_t>(2 * size * size * 3));
      const uint64_t key = class_key(t, classes[k]);
      for (size_t i = 0; i < images.size(); ++i) images[i] = random_normal(key, i);
      const std::vector<int32_t> labels(2, static_cast<int32_t>(classes[k]));
      learner.set_batch(slot_of(k), images.data(), labels.data(), t == 2 ? 1 : 2, t);
    }
    learner.step();
  }
  return learner.logits(slot_of_first);
}

}  // namespace

TEST_CASE("a class learns the same bytes alone and among others, in any slot") {
  for (const char* name : {"vgg16_pooled", "resnet50_narrow", "darts_cifar"}) {
    const Setup setup(name);
    for (Objective objective : {Objective::paper, Objective::variational}) {
      CAPTURE(name);
      CAPTURE(to_string(objective));
      const GateVectors alone = learn_together(setup, objective, {2}, 1, 0);
      CHECK(same_gates(alone, learn_together(setup, objective, {2, 5}, 3, 2)));
      CHECK_FALSE(same_gates(alone, learn_together(setup, objective, {3}, 1, 0)));
    }
  }
}
