// The step against PyTorch in double precision: losses, gate gradients, trajectories, binary gates and logits of
// small networks of all four families (tests/golden/make_models.py), the three objectives, every backend; then what
// the learner promises: bit-equal replays, classes that do not influence each other, no allocation in a step.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "engine/parallel.h"
#include "engine/rng.h"
#include "kernels/backends.h"
#include "kernels/cpu/convolution/blocks.h"
#include "nad/learn/learner.h"
#include "nad/learn/replay.h"
#include "nad/run/network.h"
#include "tests/golden_results.h"

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

// Counts every allocation of the program, to show that a step makes none.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes ? bytes : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

using namespace nad;

const char* const kGolden[] = {"vgg16_small",     "vgg16_pooled",      "resnet50_small",
                               "resnet50_narrow", "densenet121_small", "darts_small",
                               "darts_exotic",    "darts_cifar",       "darts_dead_end"};
const Objective kObjectives[] = {Objective::released, Objective::paper, Objective::variational};

std::string golden_path(const std::string& name) {
  return std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5";
}

struct Setup {
  WeightsFile file;
  NetworkDescription network;
  ReplayCase replay_case;
  explicit Setup(const std::string& name)
      : file(golden_path(name)),
        network(describe(file)),
        replay_case(read_replay_case(golden_path(name), file.mean(), file.stddev())) {}

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

ReplayResult replay(const Setup& setup, const std::string& backend, const LearnOptions& options) {
  Context context(make_backend(backend));
  Learner learner(context, setup.network, load_tensors(setup.file, setup.network), options);
  return run_replay(learner, setup.replay_case);
}

// Shares of binary gates that agree.
double agreement(const ReplayResult& result, const test::GoldenResults& golden) {
  int64_t equal = 0, total = 0;
  for (size_t i = 0; i < result.gates_final.size(); ++i) {
    const std::vector<double> hard = golden.gate("hard", i);
    REQUIRE(hard.size() == result.gates_final[i].size());
    for (size_t c = 0; c < hard.size(); ++c) equal += (result.gates_final[i][c] > 0) == (hard[c] > 0.5);
    total += static_cast<int64_t>(hard.size());
  }
  return static_cast<double>(equal) / static_cast<double>(total);
}

void compare_steps(const ReplayResult& result, const test::GoldenResults& golden) {
  const std::vector<double> losses = golden.read("losses"), skipped = golden.read("skipped"),
                            correct = golden.read("correct");
  REQUIRE(result.skipped.size() == skipped.size());
  for (size_t t = 0; t < skipped.size(); ++t) {
    CAPTURE(t);
    CHECK(result.skipped[t] == skipped[t]);
    CHECK(result.correct[t] == correct[t]);
    for (size_t k = 0; k < 4; ++k) {
      const double got = result.losses[4 * t + k], expected = losses[4 * t + k];
      if (skipped[t] != 0) {
        CHECK(std::isnan(got));
      } else {
        CHECK(std::abs(got - expected) <= 1e-3 * std::abs(expected));
      }
    }
  }
  for (size_t i = 0; i < result.gradient0.size(); ++i) {
    CAPTURE(i);
    CHECK(test::relative_error(result.gradient0[i], golden.gate("grad0", i)) <= 1e-3);
    CHECK(test::relative_error(result.gates_final[i], golden.gate("gates_final", i)) <= 2e-3);
  }
  CHECK(agreement(result, golden) >= 0.995);
  CHECK(test::relative_error(result.logits_original, golden.read("logits_orig")) <= 1e-4);
}

// And the sub-architecture, where no gate is so near 0 that rounding may decide it.
void compare(const ReplayResult& result, const test::GoldenResults& golden) {
  compare_steps(result, golden);
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

}  // namespace

TEST_CASE("losses, gradients, trajectories and binary gates equal PyTorch's") {
  for (const char* name : kGolden) {
    const Setup setup(name);
    for (const std::string& backend : backend_names()) {
      for (Objective objective : kObjectives) {
        CAPTURE(name);
        CAPTURE(backend);
        CAPTURE(to_string(objective));
        compare(replay(setup, backend, setup.options(objective)),
                test::GoldenResults(golden_path(name), "f64_" + to_string(objective)));
      }
    }
  }
}

TEST_CASE("losses, gradients and binary gates of the full networks equal PyTorch's") {
  for (const std::string& arch : architectures()) {
    CAPTURE(arch);
    const Setup setup(arch);
    const ReplayResult result = replay(setup, "cpu", setup.options(Objective::released));
    compare_steps(result, test::GoldenResults(golden_path(arch), "f64_released"));
  }
}

TEST_CASE("unfolded BatchNorm gives the same gradients") {
  for (const char* name : {"resnet50_small", "densenet121_small", "darts_exotic"}) {
    CAPTURE(name);
    const Setup setup(name);
    LearnOptions options = setup.options(Objective::released);
    options.fold_batchnorm = false;
    compare(replay(setup, "cpu", options), test::GoldenResults(golden_path(name), "f64_released"));
  }
}

TEST_CASE("bf16 products stay near the double-precision losses") {
  for (const char* name : {"vgg16_small", "resnet50_small", "densenet121_small", "darts_small"}) {
    CAPTURE(name);
    const Setup setup(name);
    Context context(make_backend("cpu"), Precision::bf16);
    Learner learner(context, setup.network, load_tensors(setup.file, setup.network),
                    setup.options(Objective::released));
    const ReplayResult result = run_replay(learner, setup.replay_case);
    const test::GoldenResults golden(golden_path(name), "f64_released");
    CHECK(test::relative_error(result.logits_original, golden.read("logits_orig")) <= 0.05);
    const std::vector<double> losses = golden.read("losses");
    CHECK(std::abs(result.losses[0] - losses[0]) <= 0.03 * std::abs(losses[0]));
  }
}

TEST_CASE("a replay gives the same bytes, on any number of threads") {
  const int threads = max_threads();
  for (const char* name : {"vgg16_small", "resnet50_small", "densenet121_small", "darts_small"}) {
    CAPTURE(name);
    const Setup setup(name);
    for (Objective objective : kObjectives) {
      const ReplayResult first = replay(setup, "cpu", setup.options(objective));
      const ReplayResult second = replay(setup, "cpu", setup.options(objective));
      set_threads(1);
      const ReplayResult alone = replay(setup, "cpu", setup.options(objective));
      set_threads(threads);
      for (const ReplayResult* other : {&second, &alone}) {
        CHECK(same_bytes(first.losses, other->losses));
        CHECK(same_gates(first.gates_final, other->gates_final));
        CHECK(same_bytes(first.logits_hard, other->logits_hard));
      }
    }
  }
}

namespace {

// Learns `classes` (label = class index) for a few steps on pseudo-random images; returns the logits of the first.
GateVectors learn_together(const Setup& setup, Objective objective, const std::vector<int64_t>& classes,
                           int64_t slots, int64_t slot_of_first) {
  LearnOptions options = setup.options(objective);
  options.given_noise = false;
  options.slots = slots;
  options.batch = 3;
  Context context(make_backend("cpu"));
  Learner learner(context, setup.network, load_tensors(setup.file, setup.network), options);
  const int64_t size = learner.input_size(), pixels = 3 * size * size * 3;
  for (size_t k = 0; k < classes.size(); ++k) {
    const int64_t slot = (slot_of_first + static_cast<int64_t>(k)) % slots;
    const uint64_t key = class_key(7, classes[k]);
    learner.assign(slot, initial_gates(learner.channels(), key), {}, key);
  }
  for (uint64_t t = 0; t < 4; ++t) {
    for (size_t k = 0; k < classes.size(); ++k) {
      const int64_t slot = (slot_of_first + static_cast<int64_t>(k)) % slots;
      std::vector<float> images(pixels);
      for (int64_t i = 0; i < pixels; ++i) images[i] = random_normal(class_key(t, classes[k]), i);
      const std::vector<int32_t> labels(3, static_cast<int32_t>(classes[k]));
      learner.set_batch(slot, images.data(), labels.data(), t == 2 ? 2 : 3, t);
    }
    learner.step();
  }
  return learner.logits(slot_of_first);
}

}  // namespace

TEST_CASE("a class learns the same bytes alone and among others, in any slot") {
  for (const char* name : {"vgg16_small", "resnet50_small", "densenet121_small", "darts_small"}) {
    const Setup setup(name);
    for (Objective objective : kObjectives) {
      CAPTURE(name);
      CAPTURE(to_string(objective));
      const GateVectors alone = learn_together(setup, objective, {2}, 1, 0);
      CHECK(same_gates(alone, learn_together(setup, objective, {2, 5, 1}, 3, 0)));
      CHECK(same_gates(alone, learn_together(setup, objective, {2, 0}, 3, 2)));
      CHECK_FALSE(same_gates(alone, learn_together(setup, objective, {3}, 1, 0)));
    }
  }
}

TEST_CASE("a step allocates nothing") {
  for (const char* name : {"vgg16_small", "resnet50_small", "densenet121_small", "darts_exotic"}) {
    CAPTURE(name);
    const Setup setup(name);
    for (const std::string& backend : backend_names()) {
      CAPTURE(backend);
      if (backend == "cpu" && !cpu::conv_isa()) continue;  // oneDNN allocates in every call
      for (const Objective objective : {Objective::released, Objective::specific}) {
        const ReplayCase& c = setup.replay_case;
        Context context(make_backend(backend));
        Learner learner(context, setup.network, load_tensors(setup.file, setup.network), setup.options(objective));
        learner.assign(0, c.gates_init, {}, 0);
        learner.set_batch(0, c.images.data(), c.labels.data(), c.batch, 0);
        if (learner.options().shows_others()) learner.set_others(0, c.images.data(), c.batch);
        for (int warm = 0; warm < 3; ++warm) learner.step();  // cold, captured, replayed on a device with graphs
        const int64_t before = allocations;
        learner.step();
        learner.step();
        CHECK(allocations == before);
      }
    }
  }
}

TEST_CASE("evaluation leaves learning as it is") {
  const Setup setup("resnet50_small");
  const ReplayCase& c = setup.replay_case;
  GateVectors results[2];
  for (int with : {0, 1}) {
    Context context(make_backend("cpu"));
    Learner learner(context, setup.network, load_tensors(setup.file, setup.network),
                    setup.options(Objective::released));
    learner.assign(0, c.gates_init, {}, 0);
    for (int t = 0; t < 3; ++t) {
      learner.set_batch(0, c.images.data(), c.labels.data(), c.batch, t);
      learner.step();
      std::vector<float> logits(learner.num_classes() * learner.capacity());
      if (!with) continue;
      run_beside_original(learner.forward(), binary_mask(c.gates_init), c.images.data(), learner.capacity(),
                          logits.data(), nullptr);
    }
    results[with] = learner.logits(0);
  }
  CHECK(same_gates(results[0], results[1]));
}

TEST_CASE("gates that do not fit are refused in one line") {
  const Setup setup("vgg16_small");
  Context context(make_backend("reference"));
  Learner learner(context, setup.network, load_tensors(setup.file, setup.network),
                  setup.options(Objective::released));
  GateVectors gates = setup.replay_case.gates_init;
  gates[1].pop_back();
  CHECK_THROWS_WITH_AS(learner.assign(0, gates, {}, 0), doctest::Contains("gate 1"), Error);
}
