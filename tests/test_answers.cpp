// What sub-architectures answer to images of other classes: batches
// on the CPU against one image at a time on the reference backend.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/rng.h"
#include "kernels/backends.h"
#include "nad/analyse/answers.h"
#include "nad/learn/learner.h"
#include "nad/run/network.h"
#include "weights/weights.h"

using namespace nad;

namespace {

struct Network {
  WeightsFile file{std::string(NAD_SOURCE_DIR) + "/tests/golden/resnet50_small.h5"};
  NetworkDescription network = describe(file);

  std::unique_ptr<Learner> learner(Context& context, int64_t batch) const {
    LearnOptions options;
    options.batch = batch;
    return std::make_unique<Learner>(context, network, load_tensors(file, network), options);
  }
};

// Images of noise around a grey of their own, the classes in turn.
ImagePool noisy_images(int64_t count, int side, int64_t classes) {
  ImagePool pool;
  for (int64_t i = 0; i < count; i++) {
    Image image{side, side, {}};
    for (int64_t p = 0; p < int64_t{3} * side * side; p++) {
      const auto noise = static_cast<uint8_t>(random_bits(static_cast<uint64_t>(i), static_cast<uint64_t>(p)) >> 58);
      image.rgb.push_back(static_cast<uint8_t>(3 * i + noise));
    }
    pool.images.push_back(std::move(image));
    pool.labels.push_back(i % classes);
  }
  return pool;
}

}  // namespace

TEST_CASE("answers are the first of the largest logits, and finite") {
  const std::vector<float> logits = {1, 3, 3, -1, -2, -1};
  CHECK(answers(logits.data(), 2, 3) == std::vector<int64_t>{1, 0});
  const float infinite[2] = {0, std::numeric_limits<float>::infinity()};
  CHECK_THROWS_AS(answers(infinite, 1, 2), Error);
}

TEST_CASE("answers to other classes' images are counted by class") {
  const Network setup;
  const ImagePool pool = noisy_images(23, 40, setup.network.num_classes);
  const LabelledPixels images = prepare(pool, setup.network.input_size, {});
  Context cpu(make_backend("cpu")), reference(make_backend("reference"));
  const auto batched = setup.learner(cpu, 4), single = setup.learner(reference, 1);
  const int64_t classes = batched->num_classes(), pixels = images.size * images.size * 3;
  int batches = 0;
  int64_t answered_own = 0;
  for (int64_t own = 0; own < classes; own++) {
    CAPTURE(own);
    const GateVectors gates = initial_gates(batched->channels(), class_key(7, own));
    const AnswerCounts counts = answers_to_others(batched->forward(), gates, images, own, [&] { batches++; });
    AnswerCounts expected;
    for (auto* list : {&expected.images, &expected.as_own, &expected.correct}) list->resize(classes, 0);
    std::vector<float> logits(static_cast<size_t>(classes));
    for (size_t i = 0; i < images.labels.size(); i++) {
      const int64_t label = images.labels[i];
      if (label == own) continue;
      run_beside_original(single->forward(), binary_mask(gates),
                          images.pixels.data() + static_cast<int64_t>(i) * pixels, 1, nullptr, logits.data());
      const int64_t answer = std::max_element(logits.begin(), logits.end()) - logits.begin();
      expected.images[label]++;
      expected.as_own[label] += answer == own;
      expected.correct[label] += answer == label;
    }
    CHECK(counts.images == expected.images);
    CHECK(counts.as_own == expected.as_own);
    CHECK(counts.correct == expected.correct);
    for (const int64_t count : counts.as_own) answered_own += count;
  }
  CHECK(batches >= 4 * classes);  // about 20 images of others, by fours
  CHECK(answered_own > 0);        // else all counts would be right by being 0
}
