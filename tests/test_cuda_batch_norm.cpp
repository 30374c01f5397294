// BatchNorm with the batch's statistics: the reference against central differences in double of the loss sum(w * y),
// the CUDA kernels on the host model against the reference.
#include "tests/batch_norm_problems.h"
#include "tests/cuda_main.h"

using namespace nad;
using namespace nad::test;

namespace {

const NormCase kCases[] = {{{1, 1, 1, 1}, 0},
                           {{2, 3, 5, 33}, kRelu | kSlab},
                           {{3, 7, 7, 64}, kAdd},
                           {{2, 29, 29, 5}, kRelu | kAdd | kSlab},
                           {{2, 9, 4, 8}, 0, 500.0f}};

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
    compare(batch_norm_problem(c, reference::plan_batch_norm), batch_norm_problem(c, cuda::plan_batch_norm));
    compare(batch_norm_backward_problem(c, reference::plan_batch_norm_backward),
            batch_norm_backward_problem(c, cuda::plan_batch_norm_backward));
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
