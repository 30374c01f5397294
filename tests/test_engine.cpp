// Engine without a backend: random numbers, offsets of regions, what recording refuses.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/arena.h"
#include "engine/error.h"
#include "engine/plan.h"
#include "engine/rng.h"
#include "engine/tape.h"
#include "kernels/backends.h"

using namespace nad;

TEST_CASE("regions that live at the same time never overlap, and the arena is not wasteful") {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    std::vector<Region> regions;
    for (uint64_t i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random_bits(seed, 3 * i) % 30);
      const int length = static_cast<int>(random_bits(seed, 3 * i + 1) % 8);
      regions.push_back({1 + random_bits(seed, 3 * i + 2) % 5000, first, first + length, 0});
    }
    const size_t total = assign_offsets(regions);
    size_t peak = 0;
    for (int t = 0; t < 40; ++t) {
      size_t live = 0;
      for (const Region& r : regions) live += r.first <= t && t <= r.last ? r.bytes : 0;
      peak = std::max(peak, live);
    }
    CHECK(total >= peak);
    CHECK(total <= 2 * peak);
    for (size_t a = 0; a < regions.size(); ++a) {
      CHECK(regions[a].offset % 256 == 0);
      CHECK(regions[a].offset + regions[a].bytes <= total);
      for (size_t b = a + 1; b < regions.size(); ++b) {
        const Region &p = regions[a], &q = regions[b];
        const bool together = p.first <= q.last && q.first <= p.last;
        const bool apart = p.offset + p.bytes <= q.offset || q.offset + q.bytes <= p.offset;
        CHECK((!together || apart));
      }
    }
  }
}

TEST_CASE("random numbers: known bits, mean, variance, independence of order") {
  CHECK(random_bits(0, 0) == 0xE220A8397B1DCDAFull);  // splitmix64's first output for seed 0
  CHECK(random_uniform(1, 2) == random_uniform(1, 2));
  double sum = 0, square = 0, uniform = 0;
  const int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double x = random_normal(42, i);
    sum += x;
    square += x * x;
    uniform += random_uniform(43, i);
  }
  CHECK(std::abs(sum / n) < 0.01);
  CHECK(std::abs(square / n - 1) < 0.02);
  CHECK(std::abs(uniform / n - 0.5) < 0.005);
  CHECK(random_key(1, 2) != random_key(2, 1));
}

namespace {

Param param(std::vector<int64_t> shape) {
  auto tensor = std::make_shared<HostTensor>();
  tensor->shape = std::move(shape);
  tensor->data.resize(tensor->count(), 0.5f);
  return tensor;
}

// Of both signs.
Param waves(std::vector<int64_t> shape) {
  auto tensor = std::make_shared<HostTensor>();
  tensor->shape = std::move(shape);
  tensor->data.resize(tensor->count());
  for (size_t i = 0; i < tensor->data.size(); ++i) tensor->data[i] = std::sin(static_cast<float>(i) * 2.3f);
  return tensor;
}

}  // namespace

TEST_CASE("recording refuses what does not fit and names the node") {
  Tape tape;
  const Var x = tape.input({2, 5, 5, 3});
  Conv2dParams conv;
  conv.kernel_h = conv.kernel_w = 3;
  CHECK_THROWS_WITH_AS(tape.conv2d(x, conv, param({4, 2, 3, 3}), {}, {}, "layer.a"), doctest::Contains("layer.a"),
                       Error);
  CHECK_THROWS_WITH_AS(tape.linear(x, param({4, 7}), {}, "fc"), doctest::Contains("75 inputs"), Error);
  Post post;
  post.shift = param({5});
  CHECK_THROWS_WITH_AS(tape.conv2d(x, conv, param({4, 3, 3, 3}), {}, post, "layer.b"),
                       doctest::Contains("expected 4"), Error);
  conv.kernel_h = 9;
  CHECK_THROWS_WITH_AS(tape.conv2d(x, conv, param({4, 3, 9, 3}), {}, {}, "layer.c"), doctest::Contains("too small"),
                       Error);
  const Var slab = tape.slab({2, 5, 5, 8}, "slab");
  CHECK_THROWS_WITH_AS(tape.slice(slab, 6, 4), doctest::Contains("slab"), Error);
  const Var gated = tape.gated_slab({2, 5, 5, 3}, "gated");
  Post relu;
  relu.relu = true;
  CHECK_THROWS_WITH_AS(tape.pointwise(x, relu, "layer.d", gated), doctest::Contains("layer.d"), Error);
}

TEST_CASE("BatchNorm by the batch's statistics: values by hand, and no backward pass") {
  Tape tape;
  const Var x = tape.input({2, 1, 1, 3});
  const Var y = tape.batch_norm(tape.gate(x, false, 1, "gate"), 0.25, "norm");
  tape.output(y);
  for (const std::string& backend : backend_names()) {
    CAPTURE(backend);
    Context context(make_backend(backend));
    Plan plan(context, tape, {});
    const std::vector<float> images = {1, 2, -7, 3, 2, -10}, open(3, 1.0f);
    const int32_t rows[2] = {0, 0};
    context.backend().upload(plan.images().data, images.data(), sizeof(float) * images.size());
    context.backend().upload(plan.gates()[0].table, open.data(), sizeof(float) * open.size());
    context.backend().upload(plan.rows(), rows, sizeof rows);
    plan.forward();
    REQUIRE(plan.statistics().size() == 1);
    const Plan::Statistics& s = plan.statistics()[0];
    CHECK(s.name == "norm");
    CHECK(s.pixels == 2);
    REQUIRE(s.channels == 3);
    std::vector<float> mean(3), variance(3), logits(6);
    context.backend().download(mean.data(), s.mean, sizeof(float) * 3);
    context.backend().download(variance.data(), s.variance, sizeof(float) * 3);
    context.backend().download(logits.data(), plan.logits().data, sizeof(float) * 6);
    CHECK(mean == std::vector<float>{2, 2, -8.5f});
    CHECK(variance == std::vector<float>{1, 0, 2.25f});
    const double one = 1 / std::sqrt(1.25), other = 1.5 / std::sqrt(2.5);
    const double expected[6] = {-one, 0, other, one, 0, -other};
    for (size_t i = 0; i < 6; ++i)
      CHECK(static_cast<double>(logits[i]) == doctest::Approx(expected[i]).epsilon(1e-6));
    PlanOptions options;
    options.gradient = true;
    CHECK_THROWS_WITH_AS(Plan(context, tape, options), doctest::Contains("norm: statistics are measured"), Error);
  }
}

TEST_CASE("a plan that cannot have a gradient says so") {
  Tape tape;
  const Var x = tape.input({2, 4, 4, 3});
  const Var y = tape.gate(x, false, 1, "gate");
  tape.output(tape.linear(y, param({5, 48}), {}, "fc"));
  Context context(make_backend("reference"));
  PlanOptions options;
  options.gradient = true;
  options.gradient_from = 2;  // of two samples
  CHECK_THROWS_WITH_AS(Plan(context, tape, options), doctest::Contains("from sample 2"), Error);
  options.gradient_from = 1;
  CHECK_NOTHROW(Plan(context, tape, options));
  options.gradient_from = 0;
  CHECK_NOTHROW(Plan(context, tape, options));
  options.taps = true;
  CHECK_THROWS_WITH_AS(Plan(context, tape, options), doctest::Contains("second half"), Error);
}

namespace {

// Gradients of a gate below two convolutions with a ReLU between them, and the names of the backward steps' ops.
struct TwoConvolutions {
  std::vector<float> dgate;
  int epilogues = 0;
};
enum class Relu { of_producer, of_consumer };

TwoConvolutions differentiate(Relu relu, bool read_twice) {
  Tape tape;
  const Conv2dParams three{.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  Post post;
  post.relu = relu == Relu::of_producer;
  const Var x = tape.gate(tape.input({2, 5, 5, 3}), false, 2, "gate");
  const Var a = tape.conv2d(x, three, waves({3, 3, 3, 3}), {}, post, "a");
  Prologue prologue;
  prologue.relu = relu == Relu::of_consumer;
  Post sum;
  if (read_twice) sum.residual = a;
  const Var b = tape.conv2d(a, three, waves({3, 3, 3, 3}), prologue, sum, "b");
  tape.output(tape.linear(b, waves({4, 75}), {}, "fc"));
  Context context(make_backend("reference"));
  PlanOptions options;
  options.gradient = true;
  options.gradient_from = 2;
  options.gate_rows = 2;
  Plan plan(context, tape, options);
  const auto fill = [](float* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = std::sin(static_cast<float>(i) * 1.7f + 0.3f);
  };
  fill(plan.images().data, plan.images().shape.count());
  const Plan::GateMemory& gate = plan.gates()[0];
  for (int64_t c = 0; c < 6; ++c) gate.table[c] = c < 3 ? 1.0f : 0.5f + 0.2f * static_cast<float>(c - 3);
  for (int n = 0; n < 4; ++n) plan.rows()[n] = n / 2;
  plan.forward();
  fill(plan.logits_gradient().data, plan.logits_gradient().shape.count());
  plan.backward();
  TwoConvolutions result{{gate.dgate + 3, gate.dgate + 6}, 0};
  for (const Plan::Step& step : plan.backward_steps()) result.epilogues += std::string(step.op) == "epilogue" ? 1 : 0;
  return result;
}

}  // namespace

TEST_CASE("a ReLU that one convolution alone reads is differentiated in that one's backward pass") {
  const TwoConvolutions fused = differentiate(Relu::of_producer, false);
  const TwoConvolutions prologue = differentiate(Relu::of_consumer, false);
  CHECK(fused.epilogues == 1);  // the gate's
  CHECK(prologue.epilogues == 1);
  CHECK(fused.dgate == prologue.dgate);
  CHECK(std::abs(fused.dgate[0]) > 1e-3f);
  CHECK(differentiate(Relu::of_producer, true).epilogues == 2);
}

TEST_CASE("packed weights of equal bytes are there once, as long as somebody holds them") {
  Context context(make_backend("cpu"));
  const auto packed = [](Planner& planner, std::vector<float> values) {
    const size_t bytes = values.size() * sizeof(float);
    Buffer buffer = planner.weights(bytes);
    std::memcpy(buffer.get(), values.data(), bytes);
    return planner.share(std::move(buffer), bytes);
  };
  Planner one(context), two(context), three(context);
  std::vector<float> large(700'000, 0.5f);  // in several pieces
  Buffer a = packed(one, {1, 2, 3}), b = packed(one, large);
  CHECK(one.account().weights == 12 + 2'800'000);
  CHECK(packed(two, {1, 2, 3}) == a);
  CHECK(packed(two, large) == b);
  CHECK(two.upload_weights(large.data(), 2'800'000) == b);  // packed on the host, and needed no memory of its own
  CHECK(two.account().weights == 0);
  large.back() = 1;
  CHECK(packed(two, large) != b);
  CHECK(packed(two, {1, 2, 3, 0}) != a);
  Planner host(context);
  Buffer uploaded = host.upload_weights(large.data(), 1000);
  CHECK(host.account().weights == 1000);
  CHECK(std::memcmp(uploaded.get(), large.data(), 1000) == 0);
  const float* values = reinterpret_cast<const float*>(a.get());
  CHECK(values[2] == 3);
  a.reset();
  CHECK(packed(three, {1, 2, 3}) != nullptr);
  CHECK(three.account().weights == 12);  // nobody held them any more

  Param in_place = param({5});
  one.read_in_place(in_place);
  three.read_in_place(in_place);
  CHECK(one.account().weights == 12 + 2'800'000 + 20);
  CHECK(three.account().weights == 12);
  in_place.reset();
}

TEST_CASE("running out of memory is an error that leaves the backend usable") {
  Context context(make_backend("cpu"));
  try {
    context.backend().allocate(size_t{1} << 60);
    FAIL("an exabyte was allocated");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::memory);
  }
  CHECK(context.backend().allocate(1024) != nullptr);
}
