// Gates that are specific to their class (docs/METHOD.md section 2a): every step of the golden trajectories on every
// backend, then what its learning promises: a closed channel is as good as absent and can come back, a class is resumed
// to the byte, learns the same alone and among others, and a step that is skipped leaves Adam as it was.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <cstring>
#include <type_traits>

#include "engine/rng.h"
#include "nad/learn/gated_forward.h"
#include "tests/specific_golden.h"

using namespace nad;
using namespace nad::test;

namespace {

bool same_gates(const GateVectors& a, const GateVectors& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) {
    same = a[i].size() == b[i].size() && std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) == 0;
  }
  return same;
}

bool same_moments(const Moments& a, const Moments& b) {
  return same_gates(a.mean, b.mean) && same_gates(a.square, b.square) && a.steps == b.steps && a.point == b.point;
}

struct Learning {
  SpecificGolden golden;
  Context context;
  Learner learner;

  Learning(const std::string& name, LearnOptions options, SpecificTarget target = SpecificTarget::named_class)
      : golden(name, target),
        context(make_backend("cpu")),
        learner(context, golden.network, load_tensors(golden.file, golden.network), options) {}
  explicit Learning(const std::string& name, SpecificTarget target = SpecificTarget::named_class)
      : Learning(name, SpecificGolden(name, target).options(target), target) {}

  void assign_start(const Moments& moments = {}) {
    learner.assign(0, golden.gates(golden.logits, 0, learner.channels()), {}, 0, moments);
  }
  void step(int64_t t) {
    golden.feed(learner, t);
    learner.step();
  }
};

}  // namespace

TEST_CASE("every step of the golden trajectories equals PyTorch's") {
  for (const char* name : kSpecificNetworks) {
    for (const std::string& backend : backend_names()) {
      for (const SpecificTarget target : kTargets) {
        CAPTURE(name);
        CAPTURE(backend);
        CAPTURE(static_cast<int>(target));
        follow_specific(backend, name, target, 10);
      }
    }
  }
}

TEST_CASE("a channel closed as learning closes it is as good as absent") {
  for (const char* name : kSpecificNetworks) {
    for (const std::string& backend : backend_names()) {
      for (const Precision precision : {Precision::fp32, Precision::bf16}) {
        if (backend == "reference" && precision == Precision::bf16) continue;
        CAPTURE(name);
        CAPTURE(backend);
        CAPTURE(to_string(precision));
        const SpecificGolden golden(name, SpecificTarget::all);
        Context context(make_backend(backend), precision);
        NetworkDescription description = golden.network;
        const Tape tape = build_network(description, load_tensors(golden.file, description), {1, 1, true});
        GatedForward forward(context, tape, {.images = 16, .copies = 2, .rows = 3});
        const int64_t classes = forward.num_classes();
        std::vector<float> absent(static_cast<size_t>(16 * classes)), closed = absent;
        const std::vector<int64_t> channels = forward.channels();
        for (size_t whole = 0; whole <= channels.size(); ++whole) {  // a gate that is closed altogether; at last none
          GateVectors mask = binary_mask(golden.gates(golden.logits, 0, channels));
          if (whole < channels.size()) std::fill(mask[whole].begin(), mask[whole].end(), 0.0f);
          forward.set_row(1, mask);
          for (std::vector<float>& gate : mask) std::replace(gate.begin(), gate.end(), 0.0f, kClosedGate);
          forward.set_row(2, mask);
          const std::array<int32_t, 2> rows = {1, 2};
          forward.use_rows(rows_of_copies(16, rows));
          forward.run(golden.images.data(), 16);
          forward.logits(0, 16, absent.data());
          forward.logits(1, 16, closed.data());
          const std::vector<double> expected(absent.begin(), absent.end());
          CHECK(relative_error(closed, expected) <= 1e-6);
        }
      }
    }
  }
}

TEST_CASE("closed gates open again where the class needs them, from the bound too") {
  for (const char* name : kSpecificNetworks) {
    CAPTURE(name);
    LearnOptions options = SpecificGolden(name, SpecificTarget::named_class).options(SpecificTarget::named_class);
    options.beta = 0;
    Learning l(name, options);
    GateVectors start = l.golden.gates(l.golden.logits, 0, l.learner.channels());
    for (std::vector<float>& gate : start) {
      for (size_t c = 0; c < gate.size(); ++c) gate[c] = c % 2 ? 1.0f : static_cast<float>(-kLogitBound);
    }
    l.learner.assign(0, start, {}, 0);
    double first = 0, last = 0;
    for (int t = 0; t < 250; ++t) {
      l.step(0);
      const StepLoss loss = l.learner.loss(0);
      REQUIRE(std::isfinite(loss.total));
      (t == 0 ? first : last) = loss.total;
    }
    int64_t opened = 0, bounded = 0;
    const GateVectors end = l.learner.logits(0);
    for (const std::vector<float>& gate : end) {
      for (size_t c = 0; c < gate.size(); c += 2) opened += gate[c] > 0;
      for (const float m : gate) bounded += std::fabs(m) <= static_cast<float>(kLogitBound);
    }
    int64_t all = 0;
    for (const int64_t c : l.learner.channels()) all += c;
    CHECK(opened >= all / 20);
    CHECK(bounded == all);
    CHECK(last < first);
  }
}

TEST_CASE("a network of closed gates alone keeps its numbers finite") {
  for (const char* name : kSpecificNetworks) {
    CAPTURE(name);
    Learning l(name);
    GateVectors closed = l.golden.gates(l.golden.logits, 0, l.learner.channels());
    for (std::vector<float>& gate : closed) std::fill(gate.begin(), gate.end(), -1.0f);
    l.learner.assign(0, closed, {}, 0);
    for (int t = 0; t < 3; ++t) {
      l.step(0);
      CHECK(std::isfinite(l.learner.loss(0).total));
      for (const GateVectors& values : {l.learner.gradient(0), l.learner.logits(0)}) {
        for (const std::vector<float>& gate : values) {
          CHECK(std::all_of(gate.begin(), gate.end(), [](float v) { return std::isfinite(v); }));
        }
      }
    }
  }
}

TEST_CASE("a class that is resumed with its moments learns the bytes of one that was not stopped") {
  for (const char* name : kSpecificNetworks) {
    CAPTURE(name);
    Learning through(name), before(name), after(name);
    through.assign_start();
    for (int64_t t = 0; t < 10; ++t) through.step(t);
    before.assign_start();
    for (int64_t t = 0; t < 5; ++t) before.step(t);
    const Moments kept = before.learner.moments(0);
    CHECK(kept.steps == 5);
    after.learner.assign(0, before.learner.logits(0), {}, 0, kept);
    for (int64_t t = 5; t < 10; ++t) after.step(t);
    CHECK(same_gates(through.learner.logits(0), after.learner.logits(0)));
    CHECK(same_moments(through.learner.moments(0), after.learner.moments(0)));
    CHECK(through.learner.moments(0).steps == 9);  // step 6 has no image that the original gets right
    after.learner.assign(0, before.learner.logits(0), {}, 0);
    for (int64_t t = 5; t < 10; ++t) after.step(t);
    CHECK_FALSE(same_gates(through.learner.logits(0), after.learner.logits(0)));
  }
}

TEST_CASE("so does one whose weights follow a limit, in its settling too") {
  LearnOptions options = SpecificGolden("vgg16_small", SpecificTarget::all).options(SpecificTarget::all);
  options.max_false_alarms = 0.05;
  Learning through("vgg16_small", options, SpecificTarget::all), before("vgg16_small", options, SpecificTarget::all);
  const auto steps = [](Learning& l, int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      l.learner.set_pace(0, t, 10);
      l.step(t);
    }
  };
  through.assign_start(), before.assign_start();
  steps(through, 0, 10);
  for (const int64_t stop : {5, 8}) {
    CAPTURE(stop);
    before.assign_start();
    steps(before, 0, stop);
    const Moments kept = before.learner.moments(0);
    for (const bool with_point : {true, false}) {
      CAPTURE(with_point);
      Learning after("vgg16_small", options, SpecificTarget::all);
      Moments given = kept;
      if (!with_point) given.point.reset();
      after.learner.assign(0, before.learner.logits(0), {}, 0, given);
      steps(after, stop, 10);
      CHECK(same_gates(through.learner.logits(0), after.learner.logits(0)) == with_point);
      CHECK(same_moments(through.learner.moments(0), after.learner.moments(0)) == with_point);
    }
  }
}

TEST_CASE("a step that is skipped leaves logits and moments as they were") {
  Learning l("resnet50_small");
  l.assign_start();
  l.step(0);
  const GateVectors logits = l.learner.logits(0);
  const Moments moments = l.learner.moments(0);
  l.step(6);
  CHECK(l.learner.loss(0).skipped);
  CHECK(std::isnan(l.learner.loss(0).specificity));
  CHECK(same_gates(logits, l.learner.logits(0)));
  CHECK(same_moments(moments, l.learner.moments(0)));
  l.learner.release(0);
  l.learner.step();
  CHECK(same_gates(logits, l.learner.logits(0)));
  CHECK(same_moments(moments, l.learner.moments(0)));
}

TEST_CASE("a class learns the same bytes alone and among others, in any slot, with weights of its own") {
  for (const char* name : kSpecificNetworks) {
    for (const SpecificTarget target : kTargets) {
      CAPTURE(name);
      const SpecificGolden golden(name, target);
      GateVectors results[2];
      for (const int64_t slots : {1, 3}) {
        LearnOptions options = golden.options(target);
        options.slots = slots;
        Learning l(name, options, target);
        const int64_t mine = slots - 1;
        for (int64_t slot = 0; slot < slots; ++slot) {
          const GateVectors start = golden.gates(golden.logits, slot == mine ? 0 : 5, l.learner.channels());
          l.learner.assign(slot, start, {}, 0);
        }
        for (int64_t t = 0; t < 4; ++t) {
          for (int64_t slot = 0; slot < slots; ++slot) golden.feed(l.learner, slot == mine ? t : 9 - t, slot);
          if (t == 2) l.learner.set_lambda(mine, 3);
          if (t == 2) l.learner.set_beta(mine, 4);
          l.learner.step();
        }
        const StepLoss weighted = l.learner.loss(mine), before = l.learner.loss(mine, 2);
        CHECK(weighted.total == doctest::Approx(weighted.reconstruction + 4 * weighted.regularisation));
        CHECK(before.total == doctest::Approx(before.reconstruction + golden.weights[1] * before.regularisation));
        results[slots > 1] = l.learner.logits(mine);
      }
      CHECK(same_gates(results[0], results[1]));
    }
  }
}

namespace {

// What the ops of a backend make of a weights' state by counts: its point [4], that of one group.
struct PointOp {
  Context context;
  Buffer memory;
  OperatingPointArgs args;
  Kernel kernel;

  PointOp(const std::string& name, double limit)
      : context(make_backend(name)), memory(context.backend().allocate(16 * 256)) {
    int64_t used = 0;
    const auto take = [&](auto*& pointer) {
      pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(memory.get() + 256 * used++);
    };
    int32_t* places[7];
    for (int32_t*& place : places) take(place);
    args.groups = {1, 32, places[0], places[1]};
    args.apply = places[2], args.correct_count = places[3], args.apart_count = places[4];
    args.own_answered = places[5], args.others_answered = places[6];
    float* full = nullptr;
    take(full), take(args.hyper), take(args.means), take(args.weights);
    args.full_beta = full;
    args.max_false_alarms = limit;
    Planner planner(context);
    kernel = learning_backend(context.backend()).learning_ops().operating_point(planner, args);
  }
  template <class T>
  void put(const T* place, std::vector<T> values) {
    context.backend().upload(const_cast<T*>(place), values.data(), sizeof(T) * values.size());
  }
  std::vector<double> point() {
    float hyper[3];
    std::vector<double> values(4);
    context.backend().download(hyper, args.hyper, sizeof hyper);
    context.backend().download(values.data() + 2, args.means, 2 * sizeof(double));
    values[0] = static_cast<double>(hyper[1]), values[1] = static_cast<double>(hyper[2]);
    return values;
  }
};

}  // namespace

TEST_CASE("the weights follow false alarms and what own images gain as the peer's do") {
  const GoldenResults golden(golden_file("specific"), "operating_point");
  const std::vector<double> counts = golden.read("counts"), full = golden.read("full_beta");
  const std::vector<double> points = golden.read("point");
  REQUIRE(points.size() == 4 * (full.size() + 1));
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    PointOp op(backend, golden.read("limit")[0]);
    op.put(op.args.hyper, {0.01f, 0.0f, 1.0f});
    op.put(op.args.means, {0.0, 0.0});
    double most = 0;
    for (size_t t = 0; t < full.size(); ++t) {
      CAPTURE(t);
      const auto n = [&](size_t k) { return static_cast<int32_t>(counts[6 * t + k]); };
      op.put(op.args.groups.valid, {n(0)});
      op.put(op.args.correct_count, {n(1)});
      op.put(op.args.own_answered, {n(2)});
      op.put(op.args.groups.others, {n(3)});
      op.put(op.args.apart_count, {n(3) - n(4)});
      op.put(op.args.others_answered, {n(5)});
      op.put(op.args.full_beta, {static_cast<float>(full[t])});
      const std::vector<double> before = op.point();
      op.put(op.args.apply, {0});  // a step that is skipped
      op.kernel(op.context);
      CHECK(op.point() == before);
      op.put(op.args.apply, {1});
      op.kernel(op.context);
      const std::vector<double> after = op.point();
      for (size_t k = 0; k < 4; ++k) {
        CAPTURE(k);
        CHECK(std::abs(after[k] - points[4 * (t + 1) + k]) <= 1e-5 * std::abs(points[4 * (t + 1) + k]) + 1e-12);
      }
      double used[2];
      op.context.backend().download(used, op.args.weights, sizeof used);
      CHECK((used[0] == before[0] && used[1] == before[1]));
      most = std::max(most, after[1]);
    }
    CHECK(most > 4);
    CHECK(op.point()[1] < most / 1.2);
  }
}

TEST_CASE("a class closes gates at full pace, then settles") {
  LearnOptions options;
  options.objective = Objective::specific;
  options.lr = 0.01, options.beta = 8;
  CHECK(pace_at(options, 0, 400) == Pace{0.01, 8});
  CHECK(pace_at(options, 279, 400) == Pace{0.01, 8});
  CHECK(pace_at(options, 280, 400).beta == 0);
  CHECK(pace_at(options, 340, 400).lr == doctest::Approx(0.005));
  CHECK(pace_at(options, 399, 400).lr == doctest::Approx(0.001));
  CHECK(pace_at(options, 0, 1).beta == 8);
}

TEST_CASE("a step with weights that follow a limit is the step with the weights that it says") {
  for (const char* name : kSpecificNetworks) {
    CAPTURE(name);
    LearnOptions options = SpecificGolden(name, SpecificTarget::named_class).options(SpecificTarget::named_class);
    Learning fixed(name, options);
    options.max_false_alarms = 0.05;
    Learning moving(name, options);
    fixed.assign_start(), moving.assign_start();
    OperatingPoint point = *moving.learner.moments(0).point;
    CHECK(point == OperatingPoint{0, options.lambda, 0, 0});
    for (int64_t t = 0; t < 10; ++t) {
      CAPTURE(t);
      fixed.learner.set_beta(0, point.beta);
      fixed.learner.set_lambda(0, point.lambda);
      fixed.step(t);
      moving.learner.set_pace(0, t, 100);
      moving.step(t);
      const StepLoss loss = moving.learner.loss(0), same = fixed.learner.loss(0);
      CHECK((loss.beta == point.beta && loss.lambda == point.lambda));
      CHECK((loss.skipped == same.skipped && (loss.skipped || loss.total == same.total)));
      CHECK(same_gates(moving.learner.logits(0), fixed.learner.logits(0)));
      point = *moving.learner.moments(0).point;
      CHECK((loss.skipped || point.false_alarms != 0 || point.surplus != 0 || t < 2));
    }
    CHECK(point.lambda != options.lambda);
  }
}

TEST_CASE("the weight of other classes' images decides how much they say") {
  Learning l("resnet50_small");
  GateVectors results[2];
  for (const int with : {0, 1}) {
    l.assign_start();
    l.learner.set_lambda(0, with ? 5 : 0);
    for (int t = 0; t < 3; ++t) l.step(9);
    results[with] = l.learner.logits(0);
  }
  CHECK_FALSE(same_gates(results[0], results[1]));
  // with weight 0 the step is that of a batch without them, up to the rounding of nothing
  l.assign_start();
  l.learner.set_lambda(0, 0);
  for (int t = 0; t < 3; ++t) {
    l.golden.feed(l.learner, 9);
    l.learner.set_others(0, l.golden.images.data(), 0);
    l.learner.step();
  }
  CHECK(l.learner.loss(0).specificity == 0);
  CHECK(same_gates(results[0], l.learner.logits(0)));
}

TEST_CASE("an image takes little more memory than under the released objective") {
  for (const char* name : kSpecificNetworks) {
    CAPTURE(name);
    LearnOptions options = SpecificGolden(name, SpecificTarget::all).options(SpecificTarget::all);
    options.batch = 8;
    const MemoryAccount specific = Learning(name, options).learner.account();
    options.objective = Objective::released;
    options.batch = 16;
    const MemoryAccount released = Learning(name, options).learner.account();
    const auto bytes = [](const MemoryAccount& a) { return a.activations + a.scratch + a.state; };
    CHECK(static_cast<double>(bytes(specific)) <= 1.15 * static_cast<double>(bytes(released)));
  }
}

TEST_CASE("an open start is the original network") {
  const std::vector<int64_t> channels = {64, 300};
  const GateVectors open = open_gates(channels, 7, 0.5f), other = open_gates(channels, 8, 0.5f),
                    drawn = initial_gates(channels, 7);
  for (size_t i = 0; i < channels.size(); ++i) {
    REQUIRE(static_cast<int64_t>(open[i].size()) == channels[i]);
    for (size_t c = 0; c < open[i].size(); ++c) {
      CHECK(in_mask(open[i][c]));
      CHECK(open[i][c] == doctest::Approx(0.5 + 0.1 * static_cast<double>(drawn[i][c])));
    }
  }
  CHECK_FALSE(same_gates(open, other));
}

TEST_CASE("what does not fit is refused") {
  Learning l("vgg16_small");
  Moments moments = l.learner.moments(0);
  moments.square[1].pop_back();
  CHECK_THROWS_WITH_AS(l.assign_start(moments), doctest::Contains("gate 1"), Error);
  LearnOptions options = l.golden.options(SpecificTarget::all);
  options.objective = Objective::released;
  Learning released("vgg16_small", options);
  CHECK_THROWS_AS(released.learner.set_others(0, l.golden.images.data(), 1), std::logic_error);
  CHECK_THROWS_AS(released.learner.moments(0), std::logic_error);
}
