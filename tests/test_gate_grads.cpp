// Losses and gate learning against central differences in double, and known values: the objective's terms as
// functions of the logits, through the multipliers (gate_values), the statistics of R and the update's own gradient.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <numbers>

#include "kernels/backends.h"
#include "kernels/learning_op_checks.h"
#include "kernels/reference/gate_statistics.h"
#include "kernels/reference/gate_update.h"
#include "kernels/reference/gate_values.h"
#include "kernels/reference/softmax_loss.h"
#include "kernels/reference/specific_loss.h"
#include "tests/double_args.h"
#include "tests/gate_problems.h"
#include "tests/gradient_check.h"

using namespace nad;
using namespace nad::test;

namespace {

std::vector<double> random_values(uint64_t key, int64_t n, double low, double high) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(low + (high - low) * (0.5 + 0.5 * draw(Data::random, key, i)));
  return values;
}

// One gate with everything its update reads; the chain's gradient at the multipliers is a random upstream gradient.
struct Learning {
  GateCase c;
  Groups groups;
  int64_t samples = c.groups * c.batch, values = c.groups * c.channels, rows = table_rows(c);
  std::vector<double> logits = random_values(1, values, -2, 2), sigma = random_values(2, values, -3, 1);
  std::vector<double> noise = random_values(3, samples* c.channels, -2, 2);
  std::vector<double> upstream = random_values(4, rows* c.channels, -1, 1);
  std::vector<double> tap_weight = random_values(5, samples, 0, 1), tap_sum = random_values(6, samples, 0, 9);
  dbl::Values original{{samples, 1, c.plane, c.channels}, 7};
  std::vector<double> table = std::vector<double>(static_cast<size_t>(rows * c.channels));
  std::vector<double> square = std::vector<double>(static_cast<size_t>(values)), log = square, ratio = square;
  std::vector<double> gradient = square, terms = std::vector<double>(static_cast<size_t>(2 * c.groups));
  std::vector<int32_t> apply = std::vector<int32_t>(static_cast<size_t>(c.groups), 1);
  std::vector<double> hyper = std::vector<double>(static_cast<size_t>(3 * c.groups));
  std::vector<double> adam_mean = std::vector<double>(static_cast<size_t>(values)), adam_square = adam_mean;
  std::vector<uint64_t> adam_steps = std::vector<uint64_t>(static_cast<size_t>(c.groups));

  explicit Learning(const GateCase& gate_case) : c(gate_case), groups{c.groups, c.batch, c.valid.data()} {
    for (int64_t i = 0; i < original.shape.count(); i += 3) original[i] = 0;  // as a ReLU leaves it
  }

  void update(double lr) {
    const bool variational = c.objective == Objective::variational;
    reference::gate_statistics(dbl::GateStatisticsArgs{groups, original.view(), variational ? sigma.data() : nullptr,
                                                       square.data(), log.data(), ratio.data()});
    for (size_t g = 0; g < static_cast<size_t>(c.groups); ++g) {
      hyper[3 * g] = lr;
      hyper[3 * g + 1] = beta(static_cast<int64_t>(g));
    }
    reference::gate_update(dbl::GateUpdateArgs{
        groups,           c.objective,     c.channels,        c.plane,          3,
        hyper.data(),     apply.data(),    tap_weight.data(), tap_sum.data(),   square.data(),
        log.data(),       ratio.data(),    upstream.data(),   noise.data(),     logits.data(),
        sigma.data(),     gradient.data(), terms.data(),      adam_mean.data(), adam_square.data(),
        adam_steps.data()});
  }
  static double beta(int64_t g) { return 0.45 + 0.1 * static_cast<double>(g); }

  // first + beta * regular + what the chain adds, upstream * multipliers, over the rows of group g's valid samples.
  // The gradient of `specific` is that of its multiplier sigmoid(m), not of the step that it is.
  double loss(int64_t g) {
    update(0);
    const Objective smooth = c.objective == Objective::specific ? Objective::released : c.objective;
    reference::gate_values(
        dbl::GateValuesArgs{groups, smooth, c.channels, logits.data(), sigma.data(), noise.data(), table.data()});
    const bool per_sample = c.objective == Objective::variational;
    const int64_t first = per_sample ? 1 + g * c.batch : 1 + g;
    const int64_t count = per_sample ? c.valid[static_cast<size_t>(g)] : 1;
    double sum = terms[static_cast<size_t>(2 * g)] + beta(g) * terms[static_cast<size_t>(2 * g + 1)];
    for (int64_t i = first * c.channels; i < (first + count) * c.channels; ++i) {
      sum += upstream[static_cast<size_t>(i)] * table[static_cast<size_t>(i)];
    }
    return sum;
  }
};

}  // namespace

TEST_CASE("cross-entropy and binary loss") {
  for (LossCase c : loss_cases()) {
    c.classes = std::min<int64_t>(c.classes, 50);
    const int64_t samples = c.groups * c.batch;
    const Groups groups = {c.groups, c.batch, c.valid.data()};
    dbl::Values logits({samples, 1, 1, c.classes}, 11), dlogits(logits.shape, 12);
    for (double& z : logits.data) z *= 3;
    std::vector<int32_t> labels;
    for (int64_t n = 0; n < samples; ++n) labels.push_back(static_cast<int32_t>(n * 7 % c.classes));
    std::vector<double> losses(static_cast<size_t>(c.groups));
    std::vector<double> work(static_cast<size_t>(samples * (c.classes + 1)));
    const auto run_loss = [&] {
      reference::softmax_loss(
          dbl::SoftmaxLossArgs{groups, logits.view(), labels.data(), c.binary, 0.25, losses.data(), dlogits.view()},
          work.data());
      double sum = 0;
      for (double loss : losses) sum += 0.25 * loss;
      return sum;
    };
    run_loss();
    const std::vector<double> gradient = dlogits.data;
    check_gradient(
        "softmax_loss " + loss_text(c), samples * c.classes,
        [&](int64_t i) -> double& { return logits.data[static_cast<size_t>(i)]; }, run_loss,
        [&](int64_t i) { return gradient[static_cast<size_t>(i)]; });
  }
}

TEST_CASE("known values of the losses") {
  const int32_t valid = 1, label = 0;
  double z[3] = {0, 0, 0}, dz[3], loss = 0, work[4];
  const auto run_loss = [&](bool binary) {
    reference::softmax_loss(
        dbl::SoftmaxLossArgs{{1, 1, &valid}, {z, {1, 1, 1, 3}}, &label, binary, 1, &loss, {dz, {1, 1, 1, 3}}}, work);
  };
  run_loss(false);  // p = 1/3 each
  CHECK(loss == doctest::Approx(std::log(3.0)).epsilon(1e-14));
  CHECK(dz[0] == doctest::Approx(-2.0 / 3).epsilon(1e-14));
  run_loss(true);  // -log 1/3 - 2 log 2/3
  CHECK(loss == doctest::Approx(std::log(3.0) - 2 * std::log(2.0 / 3)).epsilon(1e-14));
  // the label's probability is below 1e-12: its clamp acts, and so does the one of the class at probability 1
  z[1] = 60;
  run_loss(true);
  CHECK(loss == doctest::Approx(-2 * std::log(1e-12)).epsilon(1e-12));
  for (double d : dz) CHECK(std::fabs(d) < 1e-20);
}

namespace {

// The loss of `specific` with all that it reads; random logits, about half of the others taken for the class.
struct SpecificLoss {
  SpecificCase c;
  Groups groups;
  dbl::Values original, logits, dlogits;
  std::vector<int32_t> labels, predicted, apart, own_answered, answered;
  std::vector<double> hyper, cross_entropy, specificity, work;

  explicit SpecificLoss(const SpecificCase& loss_case)
      : c(loss_case),
        groups{c.groups, c.batch, c.valid.data(), c.others.data()},
        original({c.groups * c.batch, 1, 1, c.classes}, 21),
        logits(original.shape, 22),
        dlogits(original.shape, 23) {
    apart = own_answered = answered = std::vector<int32_t>(static_cast<size_t>(c.groups));
    cross_entropy = specificity = std::vector<double>(apart.size());
    work.resize(static_cast<size_t>(2 * c.groups * c.batch));
    for (double& z : logits.data) z *= 3;
    for (int64_t n = 0; n < c.groups * c.batch; ++n) {
      const int64_t g = n / c.batch, other = n % c.batch - c.batch / 2;
      labels.push_back(static_cast<int32_t>(g % c.classes));
      predicted.push_back(static_cast<int32_t>((g + n % 2) % c.classes));
      if (other >= 0 && other < c.others[static_cast<size_t>(g)]) apart[static_cast<size_t>(g)] += n % 2;
    }
    for (int64_t g = 0; g < c.groups; ++g) hyper.insert(hyper.end(), {0.0, 0.0, 0.5 + static_cast<double>(g)});
  }
  // The sum over the groups of cross-entropy + lambda * specificity.
  double run() {
    reference::specific_loss(
        dbl::SpecificLossArgs{groups, original.view(), logits.view(), labels.data(), predicted.data(), apart.data(),
                              hyper.data(), c.target, cross_entropy.data(), specificity.data(), own_answered.data(),
                              answered.data(), dlogits.view()},
        work.data());
    double sum = 0;
    for (size_t g = 0; g < apart.size(); ++g) sum += cross_entropy[g] + hyper[3 * g + 2] * specificity[g];
    return sum;
  }
};

}  // namespace

TEST_CASE("the loss over own images and others: gradient, and its definition") {
  for (SpecificCase c : specific_cases()) {
    c.classes = std::min<int64_t>(c.classes, 50);
    SpecificLoss s(c);
    s.run();
    const std::vector<double> gradient = s.dlogits.data;
    check_gradient(
        "specific_loss " + specific_text(c), c.groups * c.batch * c.classes,
        [&](int64_t i) -> double& { return s.logits.data[static_cast<size_t>(i)]; }, [&] { return s.run(); },
        [&](int64_t i) { return gradient[static_cast<size_t>(i)]; });
    s.run();
    for (int64_t g = 0; g < c.groups; ++g) {
      const auto k = static_cast<size_t>(g);
      const int64_t label = s.labels[static_cast<size_t>(g * c.batch)];
      double own = 0, others = 0, count = 0;
      for (int64_t n = g * c.batch; n < (g + 1) * c.batch; ++n) {
        std::vector<double> p(static_cast<size_t>(c.classes)), t = p;
        double sum = 0, wanted = 0;
        const bool apart = s.predicted[static_cast<size_t>(n)] != label;
        for (int64_t i = 0; i < c.classes; ++i) {
          sum += p[static_cast<size_t>(i)] = std::exp(s.logits[n * c.classes + i]);
          wanted += t[static_cast<size_t>(i)] = apart && i == label ? 0 : std::exp(s.original[n * c.classes + i]);
        }
        const double answer = p[static_cast<size_t>(label)] / sum;
        const int64_t place = n % c.batch, other = place - c.batch / 2;
        if (place < c.valid[k] && other < 0) own -= std::log(answer) / c.valid[k];
        if (other < 0 || other >= c.others[k]) continue;
        if (c.target == SpecificTarget::named_class) {
          if (apart) others -= std::log(1 - answer), count += 1;
        } else {
          count += 1;
          for (size_t i = 0; i < p.size(); ++i) {
            if (t[i] > 0) others += t[i] / wanted * std::log(t[i] / wanted / (p[i] / sum));
          }
        }
      }
      CHECK(s.cross_entropy[k] == doctest::Approx(own).epsilon(1e-12));
      CHECK(s.specificity[k] == doctest::Approx(count > 0 ? others / count : 0).epsilon(1e-12));
    }
  }
}

TEST_CASE("the loss over others is finite, and so is its gradient, where logits are extreme") {
  for (const SpecificCase& c : specific_cases()) {
    for (const double size : {1e4, 1e30}) {
      SpecificLoss s(c);
      for (double& z : s.logits.data) z *= size;
      for (double& z : s.original.data) z *= size;
      CHECK(std::isfinite(s.run()));
      double largest = 0;
      for (const double d : s.dlogits.data) {
        REQUIRE(std::isfinite(d));
        largest = std::max(largest, std::fabs(d));
      }
      CHECK(largest <= 5);
    }
  }
  // certain of c where the original is not: the loss is the distance, the gradient that of a distance
  SpecificLoss s({SpecificTarget::named_class, 1, 2, 3, {1}, {1}});
  s.predicted[1] = 1;
  s.apart[0] = 1;
  s.hyper[2] = 1;
  for (int64_t k = 0; k < 3; ++k) s.logits[3 + k] = k == 0 ? 500 : 0;
  s.run();
  CHECK(s.specificity[0] == doctest::Approx(500 - std::log(2.0)).epsilon(1e-12));
  CHECK(s.dlogits[3] == doctest::Approx(1).epsilon(1e-12));
  CHECK(s.dlogits[4] == doctest::Approx(-0.5).epsilon(1e-12));
  CHECK(s.answered[0] == 1);
}

TEST_CASE("gradients of the objectives at the gate logits and sigma") {
  for (GateCase c : gate_learning_cases()) {
    c.plane = std::min<int64_t>(c.plane, 5);  // every channel takes two passes over the plane
    Learning s(c);
    for (int64_t g = 0; g < c.groups; ++g) {
      if (c.valid[static_cast<size_t>(g)] == 0) continue;
      s.update(0);
      const std::vector<double> gradient = s.gradient;
      const auto at = [&](int64_t i) { return static_cast<size_t>(g * c.channels + i); };
      check_gradient(
          "gate_update " + gate_text(c) + " by the logits", c.channels,
          [&](int64_t i) -> double& { return s.logits[at(i)]; }, [&] { return s.loss(g); },
          [&](int64_t i) { return gradient[at(i)]; });
      if (c.objective != Objective::variational) continue;
      // sigma's gradient is seen through its normalised update, so compare directions: differences over their norm
      const std::vector<double> before = s.sigma, logits_before = s.logits;
      s.update(1);
      std::vector<double> direction(static_cast<size_t>(c.channels)), differences = direction;
      for (int64_t i = 0; i < c.channels; ++i) direction[static_cast<size_t>(i)] = before[at(i)] - s.sigma[at(i)];
      s.sigma = before;
      s.logits = logits_before;
      double square = 0;
      for (int64_t i = 0; i < c.channels; ++i) {
        s.sigma[at(i)] = before[at(i)] + 1e-6;
        const double above = s.loss(g);
        s.sigma[at(i)] = before[at(i)] - 1e-6;
        differences[static_cast<size_t>(i)] = (above - s.loss(g)) / 2e-6;
        s.sigma[at(i)] = before[at(i)];
        square += differences[static_cast<size_t>(i)] * differences[static_cast<size_t>(i)];
      }
      for (size_t i = 0; i < direction.size(); ++i) {
        CHECK_MESSAGE(std::fabs(direction[i] - differences[i] / std::sqrt(square)) <= 1e-6, gate_text(c), " sigma ",
                      i);
      }
    }
  }
}

TEST_CASE("the update is normalised, and skipped where it must be") {
  for (const GateCase& c : gate_learning_cases()) {
    if (c.objective == Objective::specific) continue;  // Adam's, below
    Learning s(c);
    s.apply.back() = 0;
    const std::vector<double> before = s.logits;
    s.update(0.1);
    for (int64_t g = 0; g < c.groups; ++g) {
      double moved = 0;
      for (int64_t i = 0; i < c.channels; ++i) {
        const auto k = static_cast<size_t>(g * c.channels + i);
        moved += (s.logits[k] - before[k]) * (s.logits[k] - before[k]);
      }
      CHECK(std::sqrt(moved) == doctest::Approx(s.apply[static_cast<size_t>(g)] ? 0.1 : 0.0).epsilon(1e-9));
    }
  }
}

TEST_CASE("terms of the objectives, from their definitions") {
  for (const GateCase& c : gate_learning_cases()) {
    Learning s(c);
    s.update(0);
    for (int64_t g = 0; g < c.groups; ++g) {
      const int64_t valid = c.valid[static_cast<size_t>(g)], plane = c.plane;
      if (valid == 0) continue;
      double first = 0, regular = 0, count = static_cast<double>(valid * plane * c.channels);
      for (int64_t i = 0; i < valid * plane * c.channels; ++i) {
        const double r = s.original[g * c.batch * plane * c.channels + i];
        const auto k = static_cast<size_t>(g * c.channels + i % c.channels);
        const double mu = 1 / (1 + std::exp(-s.logits[k])), deviation = std::log1p(std::exp(s.sigma[k]));
        const double variance = deviation * deviation * r * r, log = std::log(variance + 1e-6);
        const double distance = (r - mu * r) * (r - mu * r), kept = mu * r * mu * r;
        if (uses_taps(c.objective)) {
          regular += mu * mu / 3 / count;
        } else if (c.objective == Objective::paper) {
          first += distance / count;
          regular += kept / count;
        } else {
          first += 0.5 * (distance + std::log(2 * std::numbers::pi) + log) / count;
          regular += 0.5 * (variance - log + kept - 1) / count;
        }
      }
      if (uses_taps(c.objective)) {
        for (int64_t n = g * c.batch; n < g * c.batch + valid; ++n) {
          first += s.tap_weight[static_cast<size_t>(n)] * s.tap_sum[static_cast<size_t>(n)] /
                   static_cast<double>(3 * plane * c.channels);
        }
      }
      CHECK(s.terms[static_cast<size_t>(2 * g)] == doctest::Approx(first).epsilon(1e-9));
      CHECK(s.terms[static_cast<size_t>(2 * g + 1)] == doctest::Approx(regular).epsilon(1e-9));
    }
  }
}

TEST_CASE(
    "Adam's steps, from their definition; a step that is skipped leaves its state; logits keep to their bound") {
  for (const GateCase& c : gate_learning_cases()) {
    if (c.objective != Objective::specific) continue;
    Learning s(c);
    s.apply.back() = 0;
    std::vector<double> logits = s.logits, mean(logits.size(), 0), square = mean;
    for (int t = 1; t <= 400; ++t) {
      for (double& u : s.upstream) u = t < 50 ? u * 0.9 + 0.01 : -std::fabs(u);
      s.update(0.03);
      for (int64_t i = 0; i < c.groups * c.channels; ++i) {
        const auto k = static_cast<size_t>(i);
        if (!s.apply[static_cast<size_t>(i / c.channels)]) continue;
        mean[k] = 0.9 * mean[k] + 0.1 * s.gradient[k];
        square[k] = 0.999 * square[k] + 0.001 * s.gradient[k] * s.gradient[k];
        logits[k] -=
            0.03 * mean[k] / (1 - std::pow(0.9, t)) / (std::sqrt(square[k] / (1 - std::pow(0.999, t))) + 1e-8);
        logits[k] = std::min(4.0, std::max(-4.0, logits[k]));
        REQUIRE(s.logits[k] == doctest::Approx(logits[k]).epsilon(1e-9));
        REQUIRE(s.adam_mean[k] == doctest::Approx(mean[k]).epsilon(1e-9));
        REQUIRE(s.adam_square[k] == doctest::Approx(square[k]).epsilon(1e-9));
      }
    }
    CHECK(s.adam_steps.front() == (c.groups == 1 ? 0 : 400));
    CHECK(s.adam_steps.back() == 0);
    for (int64_t i = 0; i < c.channels; ++i) {
      const auto last = static_cast<size_t>((c.groups - 1) * c.channels + i);
      CHECK(s.logits[last] == logits[last]);
      CHECK(s.adam_mean[last] == 0);
      CHECK(s.adam_square[last] == 0);
    }
    if (c.groups > 1) CHECK(*std::max_element(s.logits.begin(), s.logits.end()) == 4);
  }
}

TEST_CASE("planning refuses what does not fit, with the op and the shapes in the message") {
  float data[64] = {};
  auto weight = std::make_shared<HostTensor>();
  *weight = {{2, 3, 1, 1}, std::vector<float>(6)};
  Conv2dArgs conv{{}, {data, {1, 2, 2, 3}}, weight, {}, {}, {data, {1, 2, 2, 2}}};
  CHECK_NOTHROW(check_args(conv));
  const auto message = [](const auto& args) -> std::string {
    try {
      check_args(args);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::device);
      return error.what();
    }
    return "";
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, "'", text, "' lacks '", part, "'");
  };
  Conv2dArgs wrong = conv;
  wrong.y = {data, {1, 2, 1, 2}};
  contains(message(wrong), "conv2d: y is [1, 2, 1, 2], expected [1, 2, 2, 2]");
  wrong = conv;
  wrong.x.stride = 2;
  contains(message(wrong), "pixel stride of 2");
  wrong = conv;
  wrong.params.groups = 2;
  contains(message(wrong), "2 groups do not divide");
  wrong = conv;
  wrong.epilogue.shift = weight;
  contains(message(wrong), "epilogue shift is [2, 3, 1, 1] with 6 values, expected [2]");
  MaxPoolArgs pool{{2, 2, 2, 2, 0, 0}, {data, {1, 4, 4, 1}}, {}, {data, {1, 2, 2, 1}}, nullptr};
  CHECK(message(pool).empty());
  pool.epilogue.shift = weight;
  contains(message(pool), "only relu and gate");
  contains(message(GateArgs{{data, {1, 1, 1, 1}}, {}, false, 1, {data, {1, 1, 1, 1}}}), "no table");
}
