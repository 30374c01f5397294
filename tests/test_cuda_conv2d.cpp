// The CUDA convolutions, each way, tile and precision by itself, on the host model against the reference: within an
// error bound, exactly on small integers, the same bytes in any order of lanes and blocks, alone or in a batch, and
// whatever the tile. (test_cuda_ops runs the whole case table through the backend's own choice.)
#include <map>

#include "engine/op_checks.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/ops.h"
#include "kernels/cuda/tap_sum.h"
#include "tests/cuda_main.h"
#include "tests/problems.h"

using namespace nad;
using namespace nad::test;
using cuda::GemmTile;

namespace {

template <class Args>
Kernel simple(Planner& planner, const Args& args) {
  check_args(args);
  const cuda::Convolution c = cuda::describe(planner, args);
  return with_tap_sum(planner, c, cuda::conv2d_simple(planner, c));
}
template <class Args>
Kernel depthwise(Planner& planner, const Args& args) {
  check_args(args);
  const cuda::Convolution c = cuda::describe(planner, args);
  return with_tap_sum(planner, c, cuda::conv2d_depthwise(planner, c));
}
template <GemmTile tile, class Args>
Kernel gemm(Planner& planner, const Args& args) {
  check_args(args);
  return cuda::conv2d_gemm(planner, cuda::describe(planner, args), tile);
}

struct Way {
  std::string name;
  Precision precision;
  OpTable table;
};

Way way(const std::string& name, Precision precision, Entry<Conv2dArgs> forward, Entry<Conv2dBackwardArgs> backward) {
  Way w{name + " " + to_string(precision), precision, reference_ops()};
  w.table.conv2d = forward;
  w.table.conv2d_backward = backward;
  return w;
}

template <GemmTile tile>
Way gemm_way(const std::string& name, Precision precision) {
  return way(name, precision, gemm<tile, Conv2dArgs>, gemm<tile, Conv2dBackwardArgs>);
}

std::vector<Way> ways() {
  std::vector<Way> list = {way("simple", Precision::fp32, simple<Conv2dArgs>, simple<Conv2dBackwardArgs>),
                           way("depthwise", Precision::fp32, depthwise<Conv2dArgs>, depthwise<Conv2dBackwardArgs>)};
  for (Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    if (p != Precision::fp32) list.push_back(gemm_way<GemmTile::m128n128>("m128n128", p));
    list.push_back(gemm_way<GemmTile::m128n64>("m128n64", p));
    list.push_back(gemm_way<GemmTile::m64n64>("m64n64", p));
    list.push_back(gemm_way<GemmTile::m128n32>("m128n32", p));
    list.push_back(way("chosen", p, cuda::plan_conv2d, cuda::plan_conv2d_backward));
  }
  return list;
}

// Two operands of a product are each off by at most 2^-8 in bf16 and 2^-11 in tf32.
Tolerance tolerance_of(const Problem& p, Precision precision, Data data) {
  Tolerance t;
  t.bound = (4 + std::sqrt(static_cast<double>(p.terms))) * 0x1p-23;
  if (precision == Precision::bf16) t.bound += 0x1.02p-7;
  if (precision == Precision::tf32) t.bound += 0x1.01p-10;
  t.exact = data == Data::exact;
  return t;
}

std::unique_ptr<Context> device(Precision precision) {
  return std::make_unique<Context>(std::make_unique<cuda::CudaBackend>(0, BackendOptions{.graph = false}), precision);
}

struct Machine {
  Context reference{make_backend("reference")};
  std::map<Precision, std::unique_ptr<Context>> devices;
  std::map<std::string, int> ran;

  Machine() {
    for (Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) devices[p] = device(p);
  }
};

void compare(Machine& machine, const Problem& p, Data data) {
  const auto expected = run(p, machine.reference, reference_ops());
  const auto bounds = run(absolute(p), machine.reference, reference_ops(), true);
  for (const Way& w : ways()) {
    const auto actual = run(p, *machine.devices.at(w.precision), w.table);
    if (actual.empty()) continue;
    ++machine.ran[w.name];
    double worst = 0;
    const std::string close = check_close(p, expected, bounds, actual, tolerance_of(p, w.precision, data), worst);
    const std::string outside = check_untouched(p, actual);
    CHECK_MESSAGE(close.empty(), w.name, ": ", p.text(), ": ", close);
    CHECK_MESSAGE(outside.empty(), w.name, ": ", p.text(), ": ", outside);
  }
}

// Small shapes that reach every loader (whole chunks or not, aligned or not), every phase of a stride, partial tiles
// in both directions, more slabs than stages, and each option of prologue and finish.
std::vector<ConvCase> cases() {
  return {{2, 7, 7, 32, 40, square(1, 1, 0), kShift | kRelu},
          {1, 9, 16, 64, 132, square(1, 1, 0), kPrologueRelu | kPrologueAffine | kScale | kShift | kGate | kMultiple},
          {2, 6, 5, 24, 36, square(3, 1, 1), kScale | kShift | kResidual | kRelu | kGate | kMultiple | kAdd},
          {1, 9, 8, 16, 64, square(3, 2, 1), kShift | kRelu | kPrologueRelu | kAdd},
          {1, 8, 8, 12, 20, square(1, 2, 0, 1, 1, 1), kPrologueRelu | kSlab},
          {1, 11, 9, 3, 17, square(7, 2, 3), kShift},
          {2, 5, 6, 19, 18, square(3, 1, 2, 2), kPrologueAffine | kPrologueRelu | kResidual | kSlab | kAdd},
          {1, 6, 7, 8, 8, {1, 7, 1, 2, 0, 3}, kPrologueRelu},
          {1, 3, 3, 1, 1, square(3, 1, 1), 0},
          {2, 6, 9, 12, 12, square(3, 1, 1, 1, 12), kPrologueRelu | kGate | kMultiple | kScale},
          {1, 9, 9, 8, 8, square(5, 2, 2, 1, 8), kPrologueRelu | kPrologueAffine | kAdd},
          {1, 8, 7, 16, 16, square(7, 1, 3, 1, 16), kShift},
          {1, 9, 9, 8, 8, square(3, 1, 2, 2, 8), kPrologueRelu | kAdd},
          {1, 5, 5, 9, 9, square(3, 2, 1, 1, 9), kSlab},
          {1, 6, 6, 8, 16, square(3, 2, 1, 1, 8), kPrologueRelu},
          {1, 7, 7, 6, 4, square(3, 3, 1), kShift | kAdd}};
}

// With a loss tap: positions that fill no row of eight pairs, several tiles of rows and columns, a last slice of
// columns that is not full, one pair alone, and every loader.
std::vector<ConvCase> tap_cases() {
  return {{4, 7, 7, 32, 40, square(1, 1, 0), kShift | kRelu | kGate | kMultiple | kTap},
          {2, 9, 16, 16, 132, square(3, 1, 1), kScale | kShift | kResidual | kRelu | kGate | kMultiple | kTap},
          {2, 1, 1, 64, 8, square(1, 1, 0), kGate | kMultiple | kTap},
          {6, 5, 3, 3, 17, square(3, 2, 1), kShift | kRelu | kGate | kMultiple | kSlab | kTap},
          {4, 6, 5, 12, 12, square(3, 1, 1, 1, 12), kRelu | kGate | kMultiple | kTap}};
}

const Array& array_of(const std::vector<Array>& arrays, const std::string& name) {
  for (const Array& a : arrays) {
    if (a.name == name) return a;
  }
  FAIL("no array ", name);
  return arrays.front();
}

// tap_sum against the y that the same call wrote.
void check_tap_sums(const std::string& text, const std::vector<Array>& after) {
  const Array &y = array_of(after, "y"), &tap = array_of(after, "tap_sum");
  const int64_t per_sample = y.count() / y.shape.n;
  for (int64_t n = 0; n < tap.count(); ++n) {
    double expected = 0;
    for (int64_t i = n * per_sample; i < (n + 1) * per_sample; ++i) {
      const double difference = y.number(i + tap.count() * per_sample) - y.number(i);
      expected += difference * difference;
    }
    CHECK_MESSAGE(std::fabs(tap.number(n) - expected) <= 1e-6 * expected, text, ": tap_sum[", n, "] is ",
                  tap.number(n), ", expected ", expected);
  }
}

// The original and the gated sample of one pair as a problem of their own.
Problem pair_of(const Problem& p, int64_t n) {
  Problem result = p;
  for (size_t i = 0; i < p.arrays.size(); ++i) {
    const Array& from = p.arrays[i];
    const bool tap = from.name == "tap_sum";
    if (!from.per_sample && !tap) continue;
    Shape shape = from.shape;
    if (tap) {
      shape.c = 1;
    } else {
      shape.n = 2;
    }
    Array& to = result.arrays[i];
    to = make_array(from.name, from.type, shape, from.output, from.first, from.stride - from.first - from.shape.c);
    const int64_t half = from.shape.n / 2, count = to.count() / 2;
    const size_t size = size_of(from.type);
    for (int64_t k = 0; k < to.count(); ++k) {
      const int64_t source = tap ? n : (k < count ? n : half + n) * count + k % count;
      std::memcpy(to.bytes.data() + static_cast<size_t>(to.offset(k)) * size,
                  from.bytes.data() + static_cast<size_t>(from.offset(source)) * size, size);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("every way to convolve equals the reference") {
  Machine machine;
  for (const ConvCase& c : cases()) {
    for (Data data : {Data::random, Data::exact}) {
      compare(machine, conv_problem(c, data), data);
      compare(machine, conv_backward_problem(c, data), data);
    }
  }
  for (const Way& w : ways()) CHECK_MESSAGE(machine.ran[w.name] > 0, w.name, " ran no case");
}

TEST_CASE("the same bytes in any order of lanes and blocks") {
  Machine machine;
  for (const ConvCase& c : {cases()[1], cases()[2], cases()[3], cases()[5], cases()[9]}) {
    for (const Problem& p : {conv_problem(c, Data::random), conv_backward_problem(c, Data::random)}) {
      for (const Way& w : ways()) {
        Context& context = *machine.devices.at(w.precision);
        const auto first = run(p, context, w.table);
        if (first.empty()) continue;
        host_cuda::settings().lanes = host_cuda::Order::shuffled;
        host_cuda::settings().blocks = host_cuda::Order::descending;
        const auto again = run(p, context, w.table);
        host_cuda::reset();
        const std::string difference = check_same_bytes(first, again);
        CHECK_MESSAGE(difference.empty(), w.name, ": ", p.text(), ": ", difference);
      }
    }
  }
}

TEST_CASE("a sample gives the same bytes alone and in a batch") {
  Machine machine;
  for (const ConvCase& c : {cases()[0], cases()[2], cases()[6], cases()[9]}) {
    for (const Problem& p : {conv_problem(c, Data::random), conv_backward_problem(c, Data::random)}) {
      for (const Way& w : ways()) {
        Context& context = *machine.devices.at(w.precision);
        Problem batch = p;
        batch.arrays = run(p, context, w.table);
        if (batch.arrays.empty()) continue;
        for (Array& a : batch.arrays) a.output = a.output && a.per_sample;
        const auto alone = run(sample(p, 1), context, w.table);
        const std::string difference = check_same_bytes(sample(batch, 1).arrays, alone);
        CHECK_MESSAGE(difference.empty(), w.name, ": ", p.text(), ": ", difference);
      }
    }
  }
}

TEST_CASE("the tile does not show in the result") {
  Machine machine;
  for (const ConvCase& c : {cases()[1], cases()[2], cases()[3]}) {
    for (const Problem& p : {conv_problem(c, Data::random), conv_backward_problem(c, Data::random)}) {
      std::map<Precision, std::vector<Array>> first;
      int compared = 0;
      for (const Way& w : ways()) {
        if (w.name.compare(0, 1, "m") != 0) continue;
        const auto result = run(p, *machine.devices.at(w.precision), w.table);
        if (result.empty()) continue;  // no whole chunks of bf16: one tile only
        if (first[w.precision].empty()) first[w.precision] = result;
        ++compared;
        const std::string difference = check_same_bytes(first[w.precision], result);
        CHECK_MESSAGE(difference.empty(), w.name, ": ", p.text(), ": ", difference);
      }
      CHECK(compared >= 7);  // 3 tiles of fp32, 4 of tf32
    }
  }
}

TEST_CASE("a convolution's sums of the loss tap") {
  Machine machine;
  std::map<std::string, int> ran;
  for (const ConvCase& c : tap_cases()) {
    const Problem p = conv_problem(c, Data::random);
    check_tap_sums("reference: " + p.text(), run(p, machine.reference, reference_ops()));
    std::map<Precision, std::vector<Array>> first;  // of the tiles
    for (const Way& w : ways()) {
      Context& context = *machine.devices.at(w.precision);
      const auto after = run(p, context, w.table);
      if (after.empty()) continue;
      ++ran[w.name];
      const std::string text = w.name + ": " + p.text();
      check_tap_sums(text, after);
      CHECK_MESSAGE(check_untouched(p, after) == "", text);

      host_cuda::settings().lanes = host_cuda::Order::shuffled;
      host_cuda::settings().blocks = host_cuda::Order::descending;
      CHECK_MESSAGE(check_same_bytes(after, run(p, context, w.table)) == "", text, ": another order differs");
      host_cuda::reset();

      const int64_t last = c.n / 2 - 1;
      Problem whole = p;
      whole.arrays = after;
      CHECK_MESSAGE(check_same_bytes(pair_of(whole, last).arrays, run(pair_of(p, last), context, w.table)) == "",
                    text, ": a pair alone differs");
      if (w.name.compare(0, 1, "m") != 0) continue;
      if (first[w.precision].empty()) first[w.precision] = after;
      CHECK_MESSAGE(check_same_bytes(first[w.precision], after) == "", text, ": another tile differs");
    }
  }
  for (const Way& w : ways()) CHECK_MESSAGE(ran[w.name] > 0, w.name, " ran no case");
}
