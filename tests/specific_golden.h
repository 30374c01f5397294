// `specific` step by step against PyTorch in double precision (tests/golden/make_specific.py): every step starts from the
// peer's logits and the moments that its gradients make, so that a gate that rounding moves across 0 parts nothing.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "kernels/backends.h"
#include "nad/learn/learner.h"
#include "nad/run/network.h"
#include "tests/golden_results.h"
#include "weights/replay_case.h"

namespace nad::test {

inline const char* const kSpecificNetworks[] = {"vgg16_small", "resnet50_small", "densenet121_small", "darts_small"};
inline const SpecificTarget kTargets[] = {SpecificTarget::named_class, SpecificTarget::all};

inline std::string golden_file(const std::string& name) {
  return std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5";
}

// A small network, its four images in four forms, and what PyTorch learnt from them.
struct SpecificGolden {
  WeightsFile file;
  NetworkDescription network;
  GoldenResults results;
  int64_t size, steps = 10, batch = 3;
  std::vector<float> images;  // [16, S, S, 3]: as they are, mirrored, upside down, both
  std::vector<double> weights, own, others, losses, correct, answered, logits, gradient;

  SpecificGolden(const std::string& name, SpecificTarget target)
      : file(golden_file(name)),
        network(describe(file)),
        results(golden_file("specific"), name + (target == SpecificTarget::all ? "_all" : "_class")) {
    const ReplayCase stored = read_replay_case(golden_file(name), file.mean(), file.stddev());
    size = stored.size;
    for (const int form : {0, 1, 2, 3}) {
      for (int64_t n = 0; n < stored.count; ++n) append(stored.images.data() + n * image(), form & 1, form & 2);
    }
    weights = results.read("weights"), own = results.read("own"), others = results.read("others");
    losses = results.read("losses"), correct = results.read("correct"), answered = results.read("answered");
    logits = results.read("logits"), gradient = results.read("gradient");
  }

  int64_t image() const { return size * size * 3; }
  LearnOptions options(SpecificTarget target) const {
    LearnOptions o;
    o.objective = Objective::specific;
    o.target = target;
    o.lr = weights[0], o.beta = weights[1], o.lambda = weights[2];
    o.batch = batch;
    return o;
  }
  int32_t label() const { return static_cast<int32_t>(weights[3]); }
  // The images of a step, own or others; what is -1 is left out.
  std::vector<float> images_of(const std::vector<double>& numbers, int64_t step) const {
    std::vector<float> result;
    for (int64_t i = step * batch; i < (step + 1) * batch; ++i) {
      const auto number = static_cast<int64_t>(numbers[static_cast<size_t>(i)]);
      if (number >= 0)
        result.insert(result.end(), images.begin() + number * image(), images.begin() + (number + 1) * image());
    }
    return result;
  }
  // A row of `logits` or `gradient`, by gates.
  GateVectors gates(const std::vector<double>& rows, int64_t step, const std::vector<int64_t>& channels) const {
    int64_t all = 0;
    for (const int64_t c : channels) all += c;
    GateVectors result;
    auto from = rows.begin() + step * all;
    for (const int64_t c : channels) {
      result.emplace_back(from, from + c);
      from += c;
    }
    return result;
  }
  // The step's own images and others into slot 0.
  void feed(Learner& learner, int64_t step, int64_t slot = 0) const {
    const std::vector<float> mine = images_of(own, step), rest = images_of(others, step);
    const std::vector<int32_t> labels(static_cast<size_t>(batch), label());
    learner.set_batch(slot, mine.data(), labels.data(), static_cast<int64_t>(mine.size()) / image(),
                      static_cast<uint64_t>(step));
    learner.set_others(slot, rest.data(), static_cast<int64_t>(rest.size()) / image());
  }

 private:
  void append(const float* from, bool mirrored, bool upside_down) {
    for (int64_t y = 0; y < size; ++y) {
      for (int64_t x = 0; x < size; ++x) {
        const int64_t row = upside_down ? size - 1 - y : y, column = mirrored ? size - 1 - x : x;
        for (int64_t c = 0; c < 3; ++c) images.push_back(from[(row * size + column) * 3 + c]);
      }
    }
  }
};

// The distance of two gates' values where keep(c) says so, relative to b's.
template <class Keep>
double distance_where(const std::vector<float>& a, const std::vector<float>& b, Keep&& keep) {
  double difference = 0, norm = 0;
  for (size_t c = 0; c < b.size(); ++c) {
    if (!keep(c)) continue;
    difference += std::pow(static_cast<double>(a[c]) - static_cast<double>(b[c]), 2);
    norm += std::pow(static_cast<double>(b[c]), 2);
  }
  return std::sqrt(difference / (norm > 0 ? norm : 1));
}

inline void compare_specific_loss(const StepLoss& loss, const SpecificGolden& golden, int64_t step) {
  const double* expected = golden.losses.data() + 5 * step;
  const bool skipped = std::isnan(expected[0]);
  CHECK(loss.skipped == skipped);
  CHECK(loss.correct == golden.correct[static_cast<size_t>(step)]);
  const double layers = loss.reconstruction - loss.cross_entropy - golden.weights[2] * loss.specificity;
  const double got[] = {loss.total, loss.cross_entropy, loss.specificity, layers, loss.regularisation};
  for (size_t k = 0; k < 5; ++k) {
    CAPTURE(k);
    if (skipped) {
      CHECK(std::isnan(got[k]));
    } else {
      CHECK(std::abs(got[k] - expected[k]) <= 1e-4 * std::abs(expected[k]) + 1e-6);
    }
  }
  if (!skipped) CHECK(loss.others_answered == golden.answered[static_cast<size_t>(step)]);
}

// Steps 0 to steps - 1 of the golden trajectory on a backend.
inline void follow_specific(const std::string& backend, const std::string& name, SpecificTarget target,
                            int64_t steps) {
  const SpecificGolden golden(name, target);
  Context context(make_backend(backend));
  Learner learner(context, golden.network, load_tensors(golden.file, golden.network), golden.options(target));
  const std::vector<int64_t> channels = learner.channels();
  Moments moments;
  for (const int64_t c : channels) moments.mean.emplace_back(c, 0.0f);
  moments.square = moments.mean;
  for (int64_t t = 0; t < steps; ++t) {
    CAPTURE(t);
    const GateVectors before = golden.gates(golden.logits, t, channels);
    const GateVectors after = golden.gates(golden.logits, t + 1, channels);
    const GateVectors gradient = golden.gates(golden.gradient, t, channels);
    learner.assign(0, before, {}, 0, moments);
    golden.feed(learner, t);
    learner.step();
    const StepLoss loss = learner.loss(0);
    compare_specific_loss(loss, golden, t);
    const GateVectors got_gradient = learner.gradient(0), got = learner.logits(0);
    if (!loss.skipped) moments.steps++;
    for (size_t i = 0; i < channels.size(); ++i) {
      CAPTURE(i);
      if (loss.skipped) {
        CHECK(got[i] == before[i]);
        continue;
      }
      CHECK(distance_where(got_gradient[i], gradient[i], [](size_t) { return true; }) <= 1e-3);
      CHECK(distance_where(got_gradient[i], gradient[i], [&](size_t c) { return before[i][c] <= 0; }) <= 1e-3);
      std::vector<float> moved = got[i], expected = after[i];
      for (size_t c = 0; c < moved.size(); ++c) {
        moved[c] -= before[i][c], expected[c] -= before[i][c];
        moments.mean[i][c] = 0.9f * moments.mean[i][c] + 0.1f * gradient[i][c];
        moments.square[i][c] = 0.999f * moments.square[i][c] + 0.001f * gradient[i][c] * gradient[i][c];
      }
      CHECK(distance_where(moved, expected, [](size_t) { return true; }) <= 2e-3);
    }
    const Moments kept = learner.moments(0);
    CHECK(kept.steps == moments.steps);
    for (size_t i = 0; i < channels.size(); ++i) {
      CHECK(distance_where(kept.mean[i], moments.mean[i], [](size_t) { return true; }) <= 1e-3);
      CHECK(distance_where(kept.square[i], moments.square[i], [](size_t) { return true; }) <= 1e-3);
    }
  }
}

}  // namespace nad::test
