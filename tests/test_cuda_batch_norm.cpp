// BatchNorm with the batch's statistics: the reference against central differences in double of the loss sum(w * y),
// the CUDA kernels on the host model against the reference.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "host_cuda/control.h"
#include "kernels/backends.h"
#include "kernels/batch_norm.h"
#include "tests/build_problem.h"

using namespace nad;
using namespace nad::test;

namespace {

struct NormCase {
  Shape shape;
  unsigned options;
  float mean = 0;  // of x: a large one would cancel in sum x^2 - (sum x)^2
};

const NormCase kCases[] = {{{1, 1, 1, 1}, 0},
                           {{2, 3, 5, 33}, kRelu | kSlab},
                           {{3, 7, 7, 64}, kAdd},
                           {{2, 29, 29, 5}, kRelu | kAdd | kSlab},
                           {{2, 9, 4, 8}, 0, 500.0f}};

using PlanForward = Kernel (*)(Planner&, const BatchNormArgs&);
using PlanBackward = Kernel (*)(Planner&, const BatchNormBackwardArgs&);

// `which` chooses the entry: the table of the backend has none for BatchNorm.
Problem forward_problem(const NormCase& c, PlanForward plan) {
  Builder b("batch_norm " + to_string(c.shape) + option_text(c.options), Data::random);
  const int x = b.input("x", c.shape, c.options);
  for (int64_t i = 0; i < b.array(x).count(); ++i) b.array(x).set(i, b.array(x).get<float>(i) + c.mean);
  const int64_t channels = c.shape.c;
  const int gamma = b.flat_input("gamma", b.uniform(channels, 0.5, 2)),
            beta = b.flat_input("beta", b.uniform(channels, -1, 1));
  const int mean = b.flat_output("mean", Type::f32, channels), rstd = b.flat_output("rstd", Type::f32, channels);
  const int running_mean = b.flat_input("running_mean", b.uniform(channels, -1, 1), true);
  const int running_variance = b.flat_input("running_variance", b.uniform(channels, 0.5, 2), true);
  const int y = b.output("y", c.shape, c.options);
  b.problem.relative = 2e-6;
  b.problem.plan = [=, relu = (c.options & kRelu) != 0](Planner& planner, const OpTable&, const Placed& p) {
    return plan(planner, {p.tensor(x), p.pointer<float>(gamma), p.pointer<float>(beta), 1e-5f, 0.1f, relu,
                          p.pointer<float>(mean), p.pointer<float>(rstd), p.pointer<float>(running_mean),
                          p.pointer<float>(running_variance), p.tensor(y)});
  };
  return b.finish();
}

Problem backward_problem(const NormCase& c, PlanBackward plan) {
  Builder b("batch_norm_backward " + to_string(c.shape) + option_text(c.options), Data::random);
  const int dy = b.input("dy", c.shape, c.options), x = b.input("x", c.shape, c.options);
  const int y = c.options & kRelu ? b.input("y", c.shape, c.options) : -1;
  for (int64_t i = 0; y >= 0 && i < b.array(y).count(); ++i)
    b.array(y).set(i, std::max(0.0f, b.array(y).get<float>(i)));
  const int64_t channels = c.shape.c;
  const int gamma = b.flat_input("gamma", b.uniform(channels, 0.5, 2)),
            mean = b.flat_input("mean", b.uniform(channels, -1, 1));
  const int rstd = b.flat_input("rstd", b.uniform(channels, 0.5, 2));
  const Accumulate mode = mode_of(c.options);
  const int dx = b.output("dx", c.shape, c.options, mode);
  const int dgamma = b.flat_output("dgamma", Type::f32, channels),
            dbeta = b.flat_output("dbeta", Type::f32, channels);
  b.problem.relative = 2e-6;
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& p) {
    return plan(planner,
                {p.tensor(dy), p.tensor(x), p.tensor(y), p.pointer<float>(gamma), p.pointer<float>(mean),
                 p.pointer<float>(rstd), mode, p.tensor(dx), p.pointer<float>(dgamma), p.pointer<float>(dbeta)});
  };
  return b.finish();
}

void compare(const Problem& expected_problem, const Problem& problem) {
  Context reference(make_backend("reference")), device(make_backend("cuda"));
  const auto expected = run(expected_problem, reference, reference_ops());
  std::vector<Array> first;
  for (host_cuda::Order order : {host_cuda::Order::ascending, host_cuda::Order::shuffled}) {
    host_cuda::settings().lanes = host_cuda::settings().blocks = order;
    const auto actual = run(problem, device, device.ops());
    host_cuda::reset();
    double worst = 0;
    const std::string close = check_close(problem, expected, expected, actual, {}, worst);
    const std::string outside = check_untouched(problem, actual);
    CHECK_MESSAGE(close.empty(), problem.text(), ": ", close);
    CHECK_MESSAGE(outside.empty(), problem.text(), ": ", outside);
    if (first.empty()) first = actual;
    CHECK(check_same_bytes(first, actual) == "");
  }
}

}  // namespace

TEST_CASE("BatchNorm with the batch's statistics: CUDA equals the reference") {
  for (const NormCase& c : kCases) {
    compare(forward_problem(c, reference::plan_batch_norm), forward_problem(c, cuda::plan_batch_norm));
    compare(backward_problem(c, reference::plan_batch_norm_backward),
            backward_problem(c, cuda::plan_batch_norm_backward));
  }
}

TEST_CASE("the reference's gradients equal central differences") {
  // loss = sum w y on [2, 3, 2, 2], in double; y written out from the definition.
  constexpr int64_t n = 12, channels = 2;
  const auto number = [](uint64_t key, int64_t i) {
    return 2 * static_cast<double>(random_uniform(key, static_cast<uint64_t>(i))) - 1;
  };
  std::vector<double> x, w, gamma = {1.3, 0.7}, beta = {0.1, -0.2};
  for (int64_t i = 0; i < n * channels; ++i)
    x.push_back(static_cast<float>(number(1, i))), w.push_back(static_cast<float>(number(2, i)));
  const auto loss = [&](const std::vector<double>& input, const std::vector<double>& g,
                        const std::vector<double>& b) {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      double mean = 0, variance = 0;
      for (int64_t p = 0; p < n; ++p) mean += input[p * channels + c] / n;
      for (int64_t p = 0; p < n; ++p) variance += std::pow(input[p * channels + c] - mean, 2) / n;
      for (int64_t p = 0; p < n; ++p) {
        sum += w[p * channels + c] * (g[c] * (input[p * channels + c] - mean) / std::sqrt(variance + 1e-5f) + b[c]);
      }
    }
    return sum;
  };
  const auto slope = [&](std::vector<double> at, size_t i, const auto& evaluate) {
    constexpr double h = 1e-5;
    at[i] += h;
    const double above = evaluate(at);
    at[i] -= 2 * h;
    return (above - evaluate(at)) / (2 * h);
  };
  const auto floats = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
  std::vector<float> fx = floats(x), fw = floats(w), fg = floats(gamma), fb = floats(beta);
  std::vector<float> mean(channels), rstd(channels), y(fx.size()), dx(fx.size()), dgamma(channels), dbeta(channels);
  const Shape shape = {2, 3, 2, channels};
  Context context(make_backend("reference"));
  Planner planner(context);
  BatchNormArgs forward;
  forward.x = {fx.data(), shape};
  forward.gamma = fg.data(), forward.beta = fb.data(), forward.mean = mean.data(), forward.rstd = rstd.data();
  forward.y = {y.data(), shape};
  reference::plan_batch_norm(planner, forward)(context);
  BatchNormBackwardArgs backward;
  backward.dy = {fw.data(), shape}, backward.x = {fx.data(), shape};
  backward.gamma = fg.data(), backward.mean = mean.data(), backward.rstd = rstd.data();
  backward.dx = {dx.data(), shape}, backward.dgamma = dgamma.data(), backward.dbeta = dbeta.data();
  reference::plan_batch_norm_backward(planner, backward)(context);
  for (size_t i = 0; i < x.size(); ++i) {
    CHECK(dx[i] == doctest::Approx(slope(x, i, [&](const auto& v) { return loss(v, gamma, beta); })).epsilon(1e-4));
  }
  for (size_t c = 0; c < 2; ++c) {
    CHECK(dgamma[c] ==
          doctest::Approx(slope(gamma, c, [&](const auto& v) { return loss(x, v, beta); })).epsilon(1e-4));
    CHECK(dbeta[c] ==
          doctest::Approx(slope(beta, c, [&](const auto& v) { return loss(x, gamma, v); })).epsilon(1e-4));
  }
}
