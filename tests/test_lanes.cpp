// Lanes of classes: what happens around a class that leaves in the middle.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <memory>

#include "engine/error.h"
#include "kernels/backends.h"
#include "nad/learn/lanes.h"
#include "nad/run/network.h"
#include "weights/weights.h"

using namespace nad;

namespace {

struct Network {
  WeightsFile file{std::string(NAD_SOURCE_DIR) + "/tests/golden/resnet50_small.h5"};
  NetworkDescription description = describe(file);
  Context context{make_backend("cpu")};
  std::unique_ptr<Learner> learner;

  Network() {
    LearnOptions options;
    options.batch = 4;
    options.slots = 2;
    learner = std::make_unique<Learner>(context, description, load_tensors(file, description), options);
  }
};

// Large enough for the loader's threads to be at work on them when the class leaves.
std::shared_ptr<const DecodedClass> large_images() {
  auto images = std::make_shared<DecodedClass>();
  images->source_class = "large";
  for (int i = 0; i < 6; i++) {
    images->images.push_back({1200, 900, std::vector<uint8_t>(size_t{3} * 1200 * 900, static_cast<uint8_t>(40 * i))});
  }
  return images;
}

Lanes::Entry entry_of(const Network& network, std::shared_ptr<const DecodedClass> images) {
  LoaderOptions batches;
  batches.batch = 4;
  batches.size = static_cast<int>(network.description.input_size);
  batches.steps = 50;
  batches.workers = 2;
  return {.images = std::move(images),
          .batches = batches,
          .logits = initial_gates(network.learner->channels(), 1),
          .sigma = {},
          .key = 1,
          .read_every = 1};
}

}  // namespace

TEST_CASE("a class that leaves in the middle takes its images along only when no thread reads them") {
  Network network;
  Lanes lanes(network.context, *network.learner);
  for (int round = 0; round < 5; round++) {
    lanes.start(0, entry_of(network, large_images()));  // the lane has the only reference
    lanes.step();
    lanes.clear(0);  // under the sanitizers a thread that still reads is an error
    CHECK_FALSE(lanes.step());
  }
}

TEST_CASE("gates that do not fit leave the lane free") {
  Network network;
  Lanes lanes(network.context, *network.learner);
  Lanes::Entry entry = entry_of(network, large_images());
  entry.logits.pop_back();
  CHECK_THROWS_AS(lanes.start(0, std::move(entry)), Error);
  CHECK_FALSE(lanes.step());
}
