// Every op of every backend against the reference: within an error bound, exactly on small integers, nothing written
// outside of the outputs, and the same bytes from run to run, from batch to batch and on any number of threads.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <map>

#include "engine/parallel.h"
#include "kernels/cpu/convolution/blocks.h"
#include "tests/batch_norm_problems.h"
#include "tests/gate_problems.h"
#include "tests/problems.h"
#include "tests/variants.h"

using namespace nad;
using namespace nad::test;

namespace {

// Rounding errors add up like a random walk. Products of two bf16 numbers are each off by at most twice 2^-8. F(4x4,
// 3x3) scales by up to 100 between its transforms and mixes the pixels of a tile (Lavin and Gray 2016): its error is
// compared with the largest sum of the tensor, twice.
Tolerance tolerance_of(const Problem& p, const Variant& v, Data data) {
  const bool transforms = v.winograd && p.transformable;
  Tolerance t;
  t.bound = (4 + std::sqrt(static_cast<double>(p.terms))) * 0x1p-23;
  if (transforms) t.bound *= 2;
  if (p.products && v.precision == Precision::bf16) t.bound += 0x1.02p-7;
  if (p.products && v.precision == Precision::tf32) t.bound += 0x1.02p-10;
  t.neighbours = transforms;
  t.exact = data == Data::exact && !transforms && p.relative == 0;
  return t;
}

class Machine {
 public:
  Machine() : reference_(make_backend("reference")), variants_(variants()) {
    for (const Variant& v : variants_) {
      contexts_.push_back(std::make_unique<Context>(make_backend(v.backend), v.precision));
    }
  }
  Context& reference() { return reference_; }
  const std::vector<Variant>& list() const { return variants_; }
  Context& context(size_t i) { return *contexts_[i]; }
  // Of each variant: how many convolutions it ran, to prove that none was skipped throughout, and the largest error.
  struct Count {
    int ran = 0;
    double worst = 0;  // over its tolerance
  };
  std::map<std::string, Count> counts;

 private:
  Context reference_;
  std::vector<Variant> variants_;
  std::vector<std::unique_ptr<Context>> contexts_;
};

// optional: a backend may leave the case to other ops.
void compare(Machine& machine, const Problem& p, Data data, bool optional = false) {
  const auto expected = run(p, machine.reference(), reference_ops());
  const auto bounds = run(absolute(p), machine.reference(), reference_ops(), true);
  const std::string untouched = check_untouched(p, expected);
  CHECK_MESSAGE(untouched.empty(), "reference: ", p.text(), ": ", untouched);
  for (size_t i = 0; i < machine.list().size(); ++i) {
    const Variant& v = machine.list()[i];
    if (v.one_algorithm && p.name.compare(0, 6, "conv2d") != 0) continue;
    std::vector<Array> actual;
    try {
      actual = run(p, machine.context(i), v.table);
    } catch (const Error& error) {
      FAIL_CHECK(v.name << ": " << p.text() << ": " << error.what());
      continue;
    }
    if (actual.empty()) {
      CHECK_MESSAGE((v.one_algorithm || optional), v.name, ": ", p.text(), ": no kernel");
      continue;
    }
    Machine::Count& count = machine.counts[v.name];
    ++count.ran;
    const std::string close = check_close(p, expected, bounds, actual, tolerance_of(p, v, data), count.worst);
    const std::string outside = check_untouched(p, actual);
    CHECK_MESSAGE(close.empty(), v.name, ": ", p.text(), ": ", close);
    CHECK_MESSAGE(outside.empty(), v.name, ": ", p.text(), ": ", outside);
  }
}

// Two runs, the first and the last sample alone, one thread and two: the same bytes.
void compare_with_itself(Machine& machine, const Problem& p) {
  for (size_t i = 0; i < machine.list().size(); ++i) {
    const Variant& v = machine.list()[i];
    if (v.one_algorithm && p.name.compare(0, 6, "conv2d") != 0) continue;
    set_threads(2);
    const auto first = run(p, machine.context(i), v.table);
    if (first.empty()) continue;
    const auto again = run(p, machine.context(i), v.table);
    set_threads(1);
    const auto single = run(p, machine.context(i), v.table);
    set_threads(2);
    const std::string runs = check_same_bytes(first, again), threads = check_same_bytes(first, single);
    CHECK_MESSAGE(runs.empty(), v.name, ": ", p.text(), ": two runs differ, ", runs);
    CHECK_MESSAGE(threads.empty(), v.name, ": ", p.text(), ": one thread differs from two, ", threads);
    if (!p.separable) continue;
    std::vector<Array> whole = first;
    for (Array& a : whole) a.output = a.output && a.per_sample;
    Problem batch = p;
    batch.arrays = whole;
    for (int64_t n : {int64_t{0}, p.arrays[0].shape.n - 1}) {
      const auto alone = run(sample(p, n), machine.context(i), v.table);
      const std::string difference = check_same_bytes(sample(batch, n).arrays, alone);
      CHECK_MESSAGE(difference.empty(), v.name, ": ", p.text(), ": sample ", n, " alone differs, ", difference);
    }
  }
}

Machine& machine() {
  static Machine instance;
  return instance;
}

template <class Cases, class... Builders>
void compare_all(const Cases& cases, std::initializer_list<Data> kinds, Builders... builders) {
  for (const auto& c : cases) {
    for (Data data : kinds) (compare(machine(), builders(c, data), data), ...);
  }
}

template <class Cases, class... Builders>
void compare_all_with_themselves(const Cases& cases, Builders... builders) {
  for (const auto& c : cases) (compare_with_itself(machine(), builders(c, Data::random)), ...);
}

constexpr std::initializer_list<Data> kBoth = {Data::random, Data::exact};
constexpr std::initializer_list<Data> kRandom = {Data::random};

}  // namespace

TEST_CASE("convolutions equal the reference") {
  compare_all(conv_shapes(), kBoth, conv_problem, conv_backward_problem);
}

TEST_CASE("every prologue and epilogue of a convolution equals the reference") {
  compare_all(conv_combinations(), kRandom, conv_problem, conv_backward_problem);
}

TEST_CASE("every convolution algorithm ran") {
  compare_all(std::vector<ConvCase>{{2, 8, 8, 16, 16, square(3, 1, 1)}, {2, 8, 8, 16, 16, square(3, 1, 1, 1, 16)}},
              kBoth, conv_problem, conv_backward_problem);
  const bool handwritten = cpu::conv_isa() != nullptr;
  for (const Variant& v : machine().list()) {
    const Machine::Count count = machine().counts[v.name];
    MESSAGE(v.name << ": " << count.ran << " cases, largest error " << count.worst << " of its tolerance");
    const bool optional = v.precision == Precision::bf16 && v.one_algorithm;  // an algorithm may be fp32 only
    if (handwritten && !optional) CHECK_MESSAGE(count.ran > 0, v.name, " ran no case");
  }
}

TEST_CASE("a backend whose convolution does not sum a loss tap refuses to") {
  CHECK_FALSE(cpu_ops().conv2d_sums_taps);
  const Problem p = conv_problem({2, 4, 4, 8, 8, square(1, 1, 0), kGate | kMultiple | kTap}, Data::random);
  OpTable forced = cpu_ops();
  forced.conv2d_sums_taps = true;  // what a problem goes by
  Context context(make_backend("cpu"));
  CHECK_THROWS_WITH_AS(run(p, context, forced), doctest::Contains("epilogue_backward sums it"), Error);
}

// Sums of small integers are not exact here, and ties between them would be broken by chance: random numbers alone.
TEST_CASE("a convolution with its max-pool equals the reference") {
  for (const ConvCase& c : conv_max_pool_cases()) {
    ConvCase forward = c;
    forward.options |= kAdd;  // the place of the maximum has a test of its own, below
    compare(machine(), conv_max_pool_problem(forward, Data::random), Data::random, true);
    compare(machine(), conv_max_pool_backward_problem(c, Data::random), Data::random, true);
    compare_with_itself(machine(), conv_max_pool_problem(c, Data::random));
    compare_with_itself(machine(), conv_max_pool_backward_problem(c, Data::random));
    Context context(make_backend("cpu"));
    if (cpu::conv_isa() != nullptr) CHECK(fuses_max_pool(Planner(context), cpu_ops(), c));
  }
}

// Rounding may prefer another of two values that are nearly the same: the value at the place that was chosen has to
// be the maximum, within the convolution's own error.
TEST_CASE("a convolution with its max-pool tells where the maximum was") {
  for (const ConvCase& pooled : conv_max_pool_cases()) {
    ConvCase c = pooled;
    c.options &= ~unsigned{kAdd | kSlab | kAligned | kRelu | kGate | kMultiple};
    const Problem p = conv_max_pool_problem(c, Data::random);
    Problem wide = conv_problem(c, Data::random);
    wide.params = p.params;
    wide.arrays[0].bytes = p.arrays[0].bytes;
    const Array z = run(wide, machine().reference(), reference_ops())[1];
    const double bound = largest(run(absolute(wide), machine().reference(), reference_ops(), true)[1]);
    for (size_t v = 0; v < machine().list().size(); ++v) {
      const Variant& variant = machine().list()[v];
      const auto actual = run(p, machine().context(v), variant.table);
      if (actual.empty()) continue;
      const Array& place = actual.back();
      const double allowed = 2 * bound * tolerance_of(p, variant, Data::random).bound;
      int64_t wrong = 0;
      for (int64_t i = 0; i < place.count(); ++i) {
        const Shape& s = place.shape;
        const int64_t channel = i % s.c, pixel = i / s.c, row = pixel / s.w, n = row / s.h;
        const auto at = [&](int64_t k) {
          const int64_t h = row % s.h * 2 + k / 2, w = pixel % s.w * 2 + k % 2;
          return z.number(((n * z.shape.h + h) * z.shape.w + w) * s.c + channel);
        };
        const auto chosen = static_cast<int64_t>(place.number(i));
        const double most = std::max({at(0), at(1), at(2), at(3)});
        if (chosen > 3 || !(most - at(chosen) <= allowed)) ++wrong;
      }
      CHECK_MESSAGE(wrong == 0, variant.name, ": ", p.text(), ": ", wrong, " places are not the maximum's");
    }
  }
}

TEST_CASE("linear layers equal the reference") {
  compare_all(linear_cases(), kBoth, linear_problem, linear_backward_problem);
}

TEST_CASE("elementwise ops and gates equal the reference") {
  compare_all(pointwise_cases(), kBoth, pointwise_problem, pointwise_backward_problem);
  compare_all(gate_cases(), kBoth, gate_problem);
  compare_all(epilogue_backward_cases(), kBoth, epilogue_backward_problem);
}

TEST_CASE("tensors larger than the caches, which the CPU writes past them, equal the reference") {
  compare_all(std::vector<TensorCase>{{{1, 160, 160, 128}, 2, kRelu}}, kRandom, gate_problem);
  compare_all(std::vector<TensorCase>{{{1, 230, 230, 128}, 1, kRelu | kGate}}, kRandom, epilogue_backward_problem);
  compare_all(std::vector<ConvCase>{{1, 320, 320, 8, 64, square(1, 1, 0), kShift | kRelu}}, kRandom, conv_problem);
}

TEST_CASE("pooling equals the reference") {
  compare_all(pool_cases(), kBoth, max_pool_problem, max_pool_backward_problem);
  compare_all(pool_cases(), kRandom, avg_pool_problem, avg_pool_backward_problem);
  compare_all(adaptive_cases(), kRandom, adaptive_pool_problem, adaptive_pool_backward_problem);
}

TEST_CASE("BatchNorm by the batch's statistics equals the reference") {
  compare_all(norm_cases(), kRandom, batch_norm_problem);
}

TEST_CASE("losses and gate learning equal the reference") {
  compare_all(loss_cases(), kBoth, classify_problem);
  compare_all(broken_cases(), kRandom, classify_problem);
  compare_all(loss_cases(), kRandom, softmax_loss_problem);
  compare_all(specific_cases(), kRandom, classify_others_problem, specific_loss_problem, operating_point_problem);
  compare_all(gate_learning_cases(), kRandom, gate_values_problem, gate_noise_problem, gate_statistics_problem,
              gate_update_problem);
}

TEST_CASE("same bytes again, alone and on one thread") {
  compare_all_with_themselves(conv_shapes(), conv_problem, conv_backward_problem);
  compare_all_with_themselves(linear_cases(), linear_problem, linear_backward_problem);
  compare_all_with_themselves(pointwise_cases(), pointwise_problem, pointwise_backward_problem);
  compare_all_with_themselves(gate_cases(), gate_problem);
  compare_all_with_themselves(epilogue_backward_cases(), epilogue_backward_problem);
  compare_all_with_themselves(pool_cases(), max_pool_problem, max_pool_backward_problem, avg_pool_problem,
                              avg_pool_backward_problem);
  compare_all_with_themselves(adaptive_cases(), adaptive_pool_problem, adaptive_pool_backward_problem);
  compare_all_with_themselves(norm_cases(), batch_norm_problem);
  compare_all_with_themselves(loss_cases(), classify_problem, softmax_loss_problem);
  compare_all_with_themselves(specific_cases(), classify_others_problem, specific_loss_problem,
                              operating_point_problem);
  compare_all_with_themselves(gate_learning_cases(), gate_values_problem, gate_noise_problem, gate_statistics_problem,
                              gate_update_problem);
}
