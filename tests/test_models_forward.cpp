// The forward pass of the four networks against PyTorch in double precision: logits, and mean and mean square of the
// representation at every gate, original and with binary gates. Small networks and the full ones
// (tests/golden/make_models.py).
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "kernels/backends.h"
#include "models/models.h"
#include "nad/learn/gated_forward.h"
#include "nad/run/network.h"
#include "tests/golden_results.h"
#include "weights/replay_case.h"

// ------------------------------------------------------------------------------------------------
namespace {

using namespace nad;

const char* const kGolden[] = {"vgg16_small",     "vgg16_pooled",      "resnet50_small",
                               "resnet50_narrow", "densenet121_small", "darts_small",
                               "darts_exotic",    "darts_cifar",       "darts_dead_end"};

struct ForwardResult {
  std::vector<float> logits_original, logits_hard;           // [N, classes]
  std::vector<double> original_statistics, hard_statistics;  // [gates, 2]: mean and mean square
};

void append_statistics(const std::vector<float>& values, std::vector<double>& out) {
  double sum = 0, square = 0;
  for (const float v : values) {
    sum += v;
    square += static_cast<double>(v) * v;
  }
  out.push_back(sum / static_cast<double>(values.size()));
  out.push_back(square / static_cast<double>(values.size()));
}

// Original (gates of ones) and binary sub-architecture in one pass.
ForwardResult run_forward(Context& context, const WeightsFile& file, const ReplayCase& images,
                          const test::GoldenResults& golden, bool fold) {
  const NetworkDescription network = describe(file);
  GatedForward forward(context, build_network(network, load_tensors(file, network), {1, 1, fold}),
                       {.images = images.count, .copies = 2, .rows = 2, .representations = true});
  GateVectors mask;
  for (size_t i = 0; i < forward.channels().size(); ++i) {
    const std::vector<double> hard = golden.gate("hard", i);
    mask.emplace_back(hard.begin(), hard.end());
  }
  ForwardResult result;
  result.logits_original.resize(static_cast<size_t>(images.count * forward.num_classes()));
  result.logits_hard = result.logits_original;
  run_beside_original(forward, mask, images.images.data(), images.count, result.logits_original.data(),
                      result.logits_hard.data());
  for (size_t i = 0; i < mask.size(); ++i) {
    append_statistics(forward.representation(i, 0, images.count), result.original_statistics);
    append_statistics(forward.representation(i, 1, images.count), result.hard_statistics);
  }
  return result;
}

void check_statistics(const std::vector<double>& actual, const std::vector<double>& expected) {
  REQUIRE(actual.size() == expected.size());
  for (size_t i = 0; i < expected.size(); i += 2) {
    CAPTURE(i / 2);
    const double scale = std::sqrt(expected[i + 1]);
    CHECK(std::abs(actual[i] - expected[i]) <= 1e-4 * scale);
    CHECK(std::abs(actual[i + 1] - expected[i + 1]) <= 1e-4 * expected[i + 1]);
  }
}

void check_forward(const std::string& path, const std::string& backend, bool fold) {
  const WeightsFile file(path);
  const ReplayCase images = read_replay_case(path, file.mean(), file.stddev());
  const test::GoldenResults golden(path, "f64_released");
  Context context(make_backend(backend));
  const ForwardResult result = run_forward(context, file, images, golden, fold);
  CHECK(test::relative_error(result.logits_original, golden.read("logits_orig")) <= 1e-4);
  CHECK(test::relative_error(result.logits_hard, golden.read("logits_hard")) <= 1e-4);
  check_statistics(result.original_statistics, golden.read("rec_orig_mean_meansq"));
  check_statistics(result.hard_statistics, golden.read("rec_hard_mean_meansq"));
}

}  // namespace

TEST_CASE("logits and representations of small networks equal PyTorch's, BatchNorm folded or not") {
  for (const char* name : kGolden) {
    for (const std::string& backend : backend_names()) {
      for (const bool fold : {true, false}) {
        CAPTURE(name);
        CAPTURE(backend);
        CAPTURE(fold);
        check_forward(std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5", backend, fold);
      }
    }
  }
}

TEST_CASE("logits and representations of the full networks equal PyTorch's") {
  for (const std::string& arch : architectures()) {
    CAPTURE(arch);
    check_forward(std::string(NAD_SOURCE_DIR) + "/tests/golden/" + arch + ".h5", "cpu", true);
  }
}
