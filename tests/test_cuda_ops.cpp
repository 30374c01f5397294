// Every op of the CUDA backend, on the host model of the device, against the reference over the cases of
// tests/cases.h: within an error bound, exactly on small integers, nothing written outside of the outputs, and the
// same bytes in any order of lanes and blocks, from run to run and for a sample alone. Of the convolutions those that
// are small enough for the model, as the backend chooses to run them; each way by itself: tests/test_cuda_conv2d.cpp.
#include "tests/batch_norm_problems.h"
#include "tests/cuda_main.h"
#include "tests/gate_problems.h"
#include "tests/problems.h"

using namespace nad;
using namespace nad::test;

namespace {

// Half a rounding unit of a product, relative to the product: bf16 keeps 8 bits of either factor, tf32 keeps 11.
double product_error(Precision precision) {
  return precision == Precision::bf16 ? 0x1.02p-7 : precision == Precision::tf32 ? 0x1.02p-10 : 0;
}

Tolerance tolerance_of(const Problem& p, Precision precision, Data data) {
  Tolerance t;
  t.bound = (4 + std::sqrt(static_cast<double>(p.terms))) * 0x1p-23 + (p.products ? product_error(precision) : 0);
  t.exact = data == Data::exact && p.relative == 0;
  return t;
}

Context& reference() {
  static Context context(make_backend("reference"));
  return context;
}

Context& device(Precision precision) {
  static Context contexts[] = {Context(make_backend("cuda"), Precision::fp32),
                               Context(make_backend("cuda"), Precision::tf32),
                               Context(make_backend("cuda"), Precision::bf16)};
  return contexts[static_cast<int>(precision)];
}

std::vector<Precision> precisions_of(const Problem& p) {
  if (!p.products) return {Precision::fp32};
  return {Precision::fp32, Precision::tf32, Precision::bf16};
}

// The model's answer, or its finding as a failure.
std::vector<Array> run_on_device(const Problem& p, Precision precision) {
  try {
    return run(p, device(precision), device(precision).ops());
  } catch (const Error& error) {
    FAIL_CHECK(p.text() << ": " << std::string(error.what()));
    host_cuda::reset();
    return {};
  }
}

void compare(const Problem& p, Data data) {
  const auto expected = run(p, reference(), reference_ops());
  const auto bounds = run(absolute(p), reference(), reference_ops(), true);
  double worst = 0;
  for (Precision precision : precisions_of(p)) {
    const auto actual = run_on_device(p, precision);
    if (actual.empty()) continue;
    const std::string close = check_close(p, expected, bounds, actual, tolerance_of(p, precision, data), worst);
    const std::string outside = check_untouched(p, actual);
    CHECK_MESSAGE(close.empty(), to_string(precision), ": ", p.text(), ": ", close);
    CHECK_MESSAGE(outside.empty(), to_string(precision), ": ", p.text(), ": ", outside);
  }
}

void compare_sample(const Problem& p, Precision precision, const std::vector<Array>& first, int64_t n) {
  Problem batch = p;
  batch.arrays = first;
  for (Array& a : batch.arrays) a.output = a.output && a.per_sample;
  const auto alone = run_on_device(sample(p, n), precision);
  if (alone.empty()) return;
  const std::string difference = check_same_bytes(sample(batch, n).arrays, alone);
  CHECK_MESSAGE(difference.empty(), to_string(precision), ": ", p.text(), ": sample ", n, " alone differs, ",
                difference);
}

void compare_with_itself(const Problem& p) {
  using host_cuda::Order;
  for (Precision precision : precisions_of(p)) {
    const auto first = run_on_device(p, precision);
    for (Order order : {Order::descending, Order::shuffled}) {
      host_cuda::settings().lanes = host_cuda::settings().blocks = order;
      const auto again = run_on_device(p, precision);
      host_cuda::settings().lanes = host_cuda::settings().blocks = Order::ascending;
      if (first.empty() || again.empty()) continue;
      const std::string difference = check_same_bytes(first, again);
      CHECK_MESSAGE(difference.empty(), to_string(precision), ": ", p.text(), ": another order differs, ",
                    difference);
    }
    if (!p.separable || first.empty()) continue;
    for (int64_t n : {int64_t{0}, p.arrays[0].shape.n - 1}) compare_sample(p, precision, first, n);
  }
}

template <class Cases, class... Builders>
void compare_all(const Cases& cases, std::initializer_list<Data> kinds, Builders... builders) {
  for (const auto& c : cases) {
    for (Data data : kinds) (compare(builders(c, data), data), ...);
  }
}

// Every third case: orders of lanes matter to a kernel, not to a shape.
template <class Cases, class... Builders>
void compare_some_with_themselves(const Cases& cases, Builders... builders) {
  for (size_t i = 0; i < cases.size(); i += 3) (compare_with_itself(builders(cases[i], Data::random)), ...);
}

constexpr std::initializer_list<Data> kBoth = {Data::random, Data::exact};
constexpr std::initializer_list<Data> kRandom = {Data::random};

}  // namespace

TEST_CASE("convolutions equal the reference") {
  for (const ConvCase& c : conv_shapes()) {
    const Problem p = conv_problem(c, Data::random);
    if (p.flops > 2e6) continue;
    compare(p, Data::random);
    compare(conv_backward_problem(c, Data::random), Data::random);
  }
  const std::vector<ConvCase> combinations = conv_combinations();
  for (size_t i = 0; i < combinations.size(); i += 7) {
    compare(conv_problem(combinations[i], Data::exact), Data::exact);
    compare(conv_backward_problem(combinations[i], Data::exact), Data::exact);
  }
}

TEST_CASE("linear layers equal the reference") {
  compare_all(linear_cases(), kBoth, linear_problem, linear_backward_problem);
}

TEST_CASE("elementwise ops and gates equal the reference") {
  compare_all(pointwise_cases(), kBoth, pointwise_problem, pointwise_backward_problem);
  compare_all(gate_cases(), kBoth, gate_problem);
}

TEST_CASE("the epilogue's backward pass equals the reference") {
  compare_all(epilogue_backward_cases(), kBoth, epilogue_backward_problem);
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

TEST_CASE("same bytes in any order of lanes and blocks, and alone") {
  compare_some_with_themselves(linear_cases(), linear_problem, linear_backward_problem);
  compare_some_with_themselves(pointwise_cases(), pointwise_problem, pointwise_backward_problem);
  compare_some_with_themselves(gate_cases(), gate_problem);
  compare_some_with_themselves(epilogue_backward_cases(), epilogue_backward_problem);
  compare_some_with_themselves(pool_cases(), max_pool_problem, max_pool_backward_problem, avg_pool_problem,
                               avg_pool_backward_problem);
  compare_some_with_themselves(adaptive_cases(), adaptive_pool_problem, adaptive_pool_backward_problem);
  compare_some_with_themselves(norm_cases(), batch_norm_problem);
  compare_some_with_themselves(loss_cases(), classify_problem, softmax_loss_problem);
  compare_some_with_themselves(specific_cases(), classify_others_problem, specific_loss_problem,
                               operating_point_problem);
  compare_some_with_themselves(gate_learning_cases(), gate_values_problem, gate_noise_problem,
                               gate_statistics_problem, gate_update_problem);
}
