// Networks with random weights: their weights, and BatchNorm's statistics as they are measured on images.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "engine/rng.h"
#include "tests/random_network_check.h"

using namespace nad;
using namespace nad::test;

namespace {

const char* const kNames[] = {"vgg16_small", "resnet50_small", "densenet121_small",
                              "darts_small", "darts_exotic",   "darts_cifar"};

}  // namespace

TEST_CASE("random weights are the ones that numpy makes, and the rest is neutral") {
  for (const char* name : kNames) {
    CAPTURE(name);
    const RandomCase c(name);
    std::vector<float> first;
    for (const auto& [tensor_name, tensor] : random_weights(c.network, kRandomSeed)) {
      CAPTURE(tensor_name);
      if (tensor.shape.size() > 1) {
        first.insert(first.end(), tensor.data.begin(), tensor.data.begin() + 4);
        continue;
      }
      const bool one =
          tensor_name.find(".weight") != std::string::npos || tensor_name.find(".running_var") != std::string::npos;
      for (const float value : tensor.data) CHECK(value == (one ? 1.0f : 0.0f));
    }
    CHECK(relative_error(first, c.golden.read("weights")) <= 1e-6);
  }
}

TEST_CASE("random weights have He's deviation; another seed or name has others") {
  NetworkDescription network = RandomCase("resnet50_small").network;
  network.attributes.set("widths", std::vector<int64_t>{64, 8, 12, 16});
  const TensorMap weights = random_weights(network, 1), others = random_weights(network, 2);
  const HostTensor& weight = weights.at("layer1.0.conv2.weight");  // [64, 64, 3, 3]
  double sum = 0, square = 0;
  for (const float value : weight.data) {
    sum += value;
    square += static_cast<double>(value) * value;
  }
  const double count = static_cast<double>(weight.count()), variance = 2.0 / (64 * 9);
  CHECK(count == 36864);
  CHECK(std::abs(sum / count) < 4 * std::sqrt(variance / count));
  CHECK(std::abs(square / count / variance - 1) < 4 * std::sqrt(2 / count));
  CHECK(weight.data != others.at("layer1.0.conv2.weight").data);
  CHECK(random_weights(network, 1).at("layer1.0.conv2.weight").data == weight.data);
  CHECK(weights.at("layer4.0.conv1.weight").data[0] / weights.at("layer3.0.conv1.weight").data[0] !=
        doctest::Approx(std::sqrt(32.0 / 48.0)));
}

TEST_CASE("measured statistics and the finished network's logits equal PyTorch's") {
  for (const char* name : kNames) {
    for (const std::string& backend : backend_names()) check_random_network(name, backend);
  }
}

TEST_CASE("one batch through the finished network is what it was while it was measured") {
  const RandomCase c("resnet50_small");
  Context context(make_backend("cpu"));
  TensorMap weights = random_weights(c.network, 5);
  const std::vector<float> before = logits_of(context, c, weights, true);
  BatchNormStatistics statistics(context, c.network, weights, 4);
  statistics.add(c.images.images.data());
  statistics.put_into(weights);
  const std::vector<float> after = logits_of(context, c, weights, true);
  CHECK(before != after);
  statistics.add(c.images.images.data());  // the same images again: the same mean and variance
  TensorMap again = weights;
  statistics.put_into(again);
  for (const char* end : {".running_mean", ".running_var"}) {
    const std::vector<float> one = values_of(weights, end), two = values_of(again, end);
    CHECK(relative_error(two, {one.begin(), one.end()}) <= 1e-6);
  }
}

TEST_CASE("what cannot be measured is said") {
  const RandomCase c("resnet50_small");
  Context context(make_backend("cpu"));
  TensorMap weights = random_weights(c.network, 5);
  BatchNormStatistics statistics(context, c.network, weights, 4);
  CHECK_THROWS_AS(statistics.put_into(weights), std::logic_error);
  std::vector<float> images = c.images.images;
  images[7] = NAN;
  statistics.add(images.data());
  try {
    statistics.put_into(weights);
    FAIL("NaN was taken");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_finite);
    CHECK(std::string(error.what()).find("bn1.running_mean' is nan in channel 0") != std::string::npos);
  }
  weights.erase("bn1.running_mean");
  CHECK_THROWS_WITH_AS(BatchNormStatistics(context, c.network, weights, 4), doctest::Contains("bn1.running_mean"),
                       Error);
}

TEST_CASE("full networks with random weights have logits that are finite and of moderate size") {
  for (const std::string& arch : architectures()) {
    CAPTURE(arch);
    NetworkDescription network;
    network.arch = arch;
    Context context(make_backend("cpu"));
    TensorMap weights = random_weights(network, 1);
    std::vector<float> images(static_cast<size_t>(2 * 224 * 224 * 3));
    for (size_t i = 0; i < images.size(); ++i) images[i] = random_normal(3, i);
    BatchNormStatistics statistics(context, network, weights, 2);
    statistics.add(images.data());
    statistics.put_into(weights);
    GatedForward forward(context, build_network(network, std::move(weights), {1, 1}),
                         {.images = 2, .copies = 1, .rows = 1});
    std::vector<float> logits(2000);
    forward.run(images.data(), 2);
    forward.logits(0, 2, logits.data());
    double square = 0;
    for (const float value : logits) square += static_cast<double>(value) * value;
    const double size = std::sqrt(square / 2000);
    CAPTURE(size);
    CHECK(size > 0.05);
    CHECK(size < 50);
  }
}
