// Networks with random weights against PyTorch's double precision (tests/golden/make_random.py), for every backend.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "kernels/backends.h"
#include "models/random_network.h"
#include "nad/learn/gated_forward.h"
#include "nad/run/network.h"
#include "tests/golden_results.h"
#include "weights/replay_case.h"

namespace nad::test {

using TensorMap = std::map<std::string, HostTensor>;

// A network of the golden files, but for its weights, and its four images: [4, S, S, 3].
struct RandomCase {
  std::string name;
  WeightsFile file;
  NetworkDescription network;
  ReplayCase images;
  GoldenResults golden;

  explicit RandomCase(const std::string& case_name)
      : name(case_name),
        file(path(case_name)),
        network(describe(file)),
        images(read_replay_case(path(case_name), file.mean(), file.stddev())),
        golden(path("random"), case_name) {}
  static std::string path(const std::string& name) {
    return std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5";
  }
};

constexpr uint64_t kRandomSeed = 233;  // make_random.py's

// The random network, measured on the four images in batches of `batch`.
inline TensorMap measured(Context& context, const RandomCase& c, int64_t batch) {
  TensorMap weights = random_weights(c.network, kRandomSeed);
  BatchNormStatistics statistics(context, c.network, weights, batch);
  const int64_t image = c.images.size * c.images.size * 3;
  for (int64_t i = 0; i < c.images.count; i += batch) statistics.add(c.images.images.data() + i * image);
  statistics.put_into(weights);
  return weights;
}

inline std::vector<float> values_of(const TensorMap& weights, const std::string& end) {
  std::vector<float> all;
  for (const auto& [name, tensor] : weights) {
    if (name.size() < end.size() || name.compare(name.size() - end.size(), end.size(), end) != 0) continue;
    all.insert(all.end(), tensor.data.begin(), tensor.data.end());
  }
  return all;
}

// Each within a share of the channel's own deviation and variance.
inline void check_statistics(const TensorMap& weights, const RandomCase& c, const std::string& prefix) {
  const std::vector<float> means = values_of(weights, ".running_mean"),
                           variances = values_of(weights, ".running_var");
  const std::vector<double> expected_means = c.golden.read(prefix + "means"),
                            expected_variances = c.golden.read(prefix + "variances");
  REQUIRE(means.size() == expected_means.size());
  REQUIRE(variances.size() == expected_variances.size());
  double mean_error = 0, variance_error = 0;
  for (size_t i = 0; i < means.size(); ++i) {
    const double variance = expected_variances[i];
    mean_error = std::max(mean_error, std::abs(means[i] - expected_means[i]) / std::sqrt(variance));
    variance_error = std::max(variance_error, std::abs(variances[i] - variance) / variance);
  }
  CHECK(mean_error <= 2e-5);
  CHECK(variance_error <= 2e-5);
}

inline std::vector<float> logits_of(Context& context, const RandomCase& c, const TensorMap& weights, bool fold) {
  GatedForward forward(context, build_network(c.network, weights, {1, 1, fold}),
                       {.images = c.images.count, .copies = 1, .rows = 1});
  std::vector<float> logits(static_cast<size_t>(c.images.count * forward.num_classes()));
  forward.run(c.images.images.data(), c.images.count);
  forward.logits(0, c.images.count, logits.data());
  return logits;
}

inline void check_random_network(const std::string& name, const std::string& backend) {
  CAPTURE(name);
  CAPTURE(backend);
  const RandomCase c(name);
  Context context(make_backend(backend));
  const TensorMap once = measured(context, c, 4), twice = measured(context, c, 2);
  check_statistics(once, c, "");
  check_statistics(twice, c, "merged_");
  for (const bool fold : {true, false}) {
    CHECK(relative_error(logits_of(context, c, once, fold), c.golden.read("logits")) <= 1e-4);
  }
}

}  // namespace nad::test
