// The forward pass of gated networks: the same bytes as a plan that learns, whatever rows the samples go under and
// whoever else is in the batch; representations at the gates; weights packed once for all plans of a context.
// (Against PyTorch: test_models_forward.cpp.)
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>

#include "kernels/backends.h"
#include "nad/gates/batch_rows.h"
#include "nad/learn/learner.h"
#include "tests/gated_forward_check.h"

namespace {

using namespace nad;
using namespace nad::test;

const char* const kNetworks[] = {"vgg16_small", "resnet50_small", "densenet121_small", "darts_small"};

GateVectors complement(GateVectors mask) {
  for (std::vector<float>& gate : mask) {
    for (float& g : gate) g = 1 - g;
  }
  return mask;
}

std::vector<float> logits_of(GatedForward& forward, int64_t copy, int64_t count) {
  std::vector<float> logits(static_cast<size_t>(count * forward.num_classes()));
  forward.logits(copy, count, logits.data());
  return logits;
}

// One image alone under one row of gates.
std::vector<float> alone(Context& context, const Tape& network, const GateVectors& gates, const float* image) {
  GatedForward forward(context, network, {.images = 1, .copies = 1, .rows = 1});
  forward.set_row(0, gates);
  forward.run(image, 1);
  return logits_of(forward, 0, 1);
}

}  // namespace

TEST_CASE("logits are those of a learning plan's forward pass, byte for byte") {
  for (const char* name : kNetworks) {
    for (const std::string& backend : backend_names()) {
      CAPTURE(name);
      CAPTURE(backend);
      check_against_learning_plan(network_of(name), backend);
    }
  }
}

TEST_CASE("a sample's logits depend on its image and its row alone") {
  constexpr int64_t n = 2;
  for (const char* name : kNetworks) {
    const Tape network = network_of(name);
    for (const char* backend : {"reference", "cpu"}) {
      CAPTURE(name);
      CAPTURE(backend);
      Context context(make_backend(backend));
      GatedForward forward(context, network, {.images = n, .copies = 4, .rows = 5});
      const GateVectors mask = random_mask(forward.channels(), 1);
      GateVectors ones = mask;
      for (std::vector<float>& gate : ones) gate.assign(gate.size(), 1.0f);
      const std::vector<GateVectors> table = {ones, mask, complement(mask), random_mask(forward.channels(), 2),
                                              random_mask(forward.channels(), 3)};
      for (size_t row = 1; row < table.size(); ++row) forward.set_row(static_cast<int64_t>(row), table[row]);
      // The rows of the samples of a composite, and rows that come back: 2 images in 4 copies.
      const std::vector<int32_t> mixed = {3, 0, 2, 1, 3, 4, 0, 3};
      const std::vector<float> images = random_images(n, forward.input_size(), 9);
      const size_t image = images.size() / n;
      const auto classes = static_cast<std::ptrdiff_t>(forward.num_classes());
      for (const std::vector<int32_t>& rows : {mixed, rows_of_copies(n, std::vector<int32_t>{0, 1, 2, 3})}) {
        forward.use_rows(rows);
        forward.run(images.data(), n);
        for (int64_t copy = 0; copy < 4; ++copy) {
          const std::vector<float> logits = logits_of(forward, copy, n);
          for (int64_t i = 0; i < n; ++i) {
            const GateVectors& gates = table[static_cast<size_t>(rows[static_cast<size_t>(copy * n + i)])];
            const std::vector<float> expected =
                alone(context, network, gates, images.data() + static_cast<size_t>(i) * image);
            CHECK(same({logits.begin() + i * classes, logits.begin() + (i + 1) * classes}, expected));
          }
        }
      }
    }
  }
}

TEST_CASE("a representation is the original's where the mask keeps it, and the complement has the rest") {
  for (const char* name : kNetworks) {
    CAPTURE(name);
    const Tape network = network_of(name);
    Context context(make_backend("cpu"));
    GatedForward forward(context, network, {.images = 2, .copies = 3, .rows = 3, .representations = true});
    const GateVectors mask = random_mask(forward.channels(), 4);
    forward.set_row(1, mask);
    forward.set_row(2, complement(mask));
    forward.use_rows(rows_of_copies(2, std::vector<int32_t>{0, 1, 2}));
    const std::vector<float> images = random_images(2, forward.input_size(), 6);
    forward.run(images.data(), 2);
    for (size_t gate = 0; gate < mask.size(); ++gate) {
      const Shape shape = forward.plan().gates()[gate].value.shape;
      for (const int64_t copy : {0, 1, 2}) {
        const std::vector<float> values = forward.representation(gate, copy, 2);
        REQUIRE(static_cast<int64_t>(values.size()) == 2 * shape.h * shape.w * shape.c);
        for (size_t i = 0; i < values.size(); ++i) {  // a channel that a row removes is 0 everywhere
          const bool kept = mask[gate][i % mask[gate].size()] > 0;
          if ((copy == 1 && !kept) || (copy == 2 && kept)) CHECK(values[i] == 0);
        }
      }
    }
    // Up to gate 0 all copies are one: what a mask keeps there, and what its complement keeps, is the original.
    const std::vector<float> original = forward.representation(0, 0, 2), kept = forward.representation(0, 1, 2),
                             rest = forward.representation(0, 2, 2);
    double size = 0;
    for (size_t i = 0; i < original.size(); ++i) {
      CHECK(kept[i] + rest[i] == original[i]);
      size += std::abs(original[i]);
    }
    CHECK(size > 0);
  }
}

TEST_CASE("weights are packed once, whoever borrows the network") {
  for (const char* name : kNetworks) {
    for (const Precision precision : {Precision::fp32, Precision::bf16}) {
      CAPTURE(name);
      CAPTURE(to_string(precision));
      const Tape network = network_of(name);
      Context context(make_backend("cpu"), precision);
      size_t packed = 0;
      {
        LearnOptions options;
        options.batch = 2;
        const Learner learner(context, network, options);
        packed = learner.account().weights;
        const GatedForward forward(context, network, {.images = 2, .copies = 2, .rows = 4});
        CHECK(forward.plan().account().weights == 0);
        const Learner second(context, network, options);
        CHECK(second.account().weights == 0);
      }
      GatedForward forward(context, network, {.images = 2, .copies = 2, .rows = 4});  // all others are gone
      CHECK(forward.plan().account().weights > 0);
      CHECK(forward.plan().account().weights < packed);  // the backward pass has weights of its own
    }
  }
}

TEST_CASE("a network recorded for one image serves any batch") {
  for (const char* name : kNetworks) {
    CAPTURE(name);
    const WeightsFile file(std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5");
    const NetworkDescription description = describe(file);
    const Tape recorded = build_network(description, load_tensors(file, description), {3, 2});
    const Tape derived = network_of(name).with_batch(3, 2);
    REQUIRE(recorded.nodes().size() == derived.nodes().size());
    for (size_t i = 0; i < recorded.nodes().size(); ++i) {
      const Tape::Node &a = recorded.nodes()[i], &b = derived.nodes()[i];
      CHECK(recorded.shape(a.x) == derived.shape(b.x));
      CHECK(recorded.shape(a.y) == derived.shape(b.y));
      CHECK(a.repeat == b.repeat);
    }
  }
}

TEST_CASE("rows and gates that do not fit are refused") {
  const Tape network = network_of("vgg16_small");
  Context context(make_backend("reference"));
  GatedForward forward(context, network, {.images = 2, .copies = 1, .rows = 2});
  const GateVectors mask = random_mask(forward.channels(), 1);
  CHECK_THROWS_AS(forward.set_row(2, mask), std::out_of_range);
  CHECK_THROWS_AS(forward.use_rows(std::vector<int32_t>{0, 2}), std::out_of_range);
  CHECK_THROWS_AS(forward.use_rows(std::vector<int32_t>{0}), std::out_of_range);
  CHECK_THROWS_AS(forward.representation(0, 0, 1), std::logic_error);
  const std::vector<float> images = random_images(3, forward.input_size(), 1);
  CHECK_THROWS_AS(forward.run(images.data(), 3), std::out_of_range);
  GateVectors wrong = mask;
  wrong[1].pop_back();
  CHECK_THROWS_WITH_AS(forward.set_row(1, wrong), doctest::Contains("gate 1"), Error);
}

TEST_CASE("the rows of a batch") {
  const LearningRows by_class{2, 3, false}, by_sample{2, 3, true};
  CHECK(by_class.rows() == 3);
  CHECK(by_sample.rows() == 7);
  CHECK(by_class.row_of_sample() == std::vector<int32_t>{0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2});
  CHECK(by_sample.row_of_sample() == std::vector<int32_t>{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6});
  CHECK(rows_of_copies(2, std::vector<int32_t>{0, 3}) == std::vector<int32_t>{0, 0, 3, 3});
}
