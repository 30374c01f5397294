// The forward pass of gated networks against a plan that learns, for every backend.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "engine/rng.h"
#include "kernels/backends.h"
#include "nad/gates/batch_rows.h"
#include "nad/learn/gated_forward.h"
#include "nad/run/network.h"
#include "weights/weights.h"

namespace nad::test {

inline Tape network_of(const std::string& name) {
  const WeightsFile file(std::string(NAD_SOURCE_DIR) + "/tests/golden/" + name + ".h5");
  const NetworkDescription network = describe(file);
  return build_network(network, load_tensors(file, network), {1, 1});
}

inline std::vector<float> random_images(int64_t count, int64_t size, uint64_t key) {
  std::vector<float> images(static_cast<size_t>(count * size * size * 3));
  for (size_t i = 0; i < images.size(); ++i) images[i] = random_normal(key, i);
  return images;
}

inline GateVectors random_mask(const std::vector<int64_t>& channels, uint64_t key) {
  return binary_mask(initial_gates(channels, key));
}

inline bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The logits of n images, as the original and under a mask, from a plan of its own and from one that borrows the
// learning plan's arena: byte for byte those of the learning plan, taps and all.
inline void check_against_learning_plan(const Tape& network, const std::string& backend) {
  constexpr int64_t n = 3;
  Context context(make_backend(backend));
  PlanOptions options;
  options.gradient = options.taps = true;
  options.gradient_from = n;
  options.gate_rows = 2;
  Plan plan(context, network.with_batch(n, 2), options);
  GatedForward borrower(context, network, {.images = n, .copies = 2, .rows = 2}, &plan);
  GatedForward own(context, network, {.images = n, .copies = 2, .rows = 2});
  CHECK(borrower.plan().account().activations == 0);
  CHECK(own.plan().account().activations > 0);
  CHECK(own.plan().account().activations < plan.account().activations);
  if (backend != "reference") CHECK(own.plan().account().weights == 0);  // that one packs nothing

  const std::vector<float> images = random_images(n, own.input_size(), 3);
  const GateVectors mask = random_mask(own.channels(), 5);
  Backend& device = context.backend();
  const std::vector<int32_t> rows = LearningRows{1, n, false}.row_of_sample();
  device.upload(plan.rows(), rows.data(), sizeof(int32_t) * rows.size());
  for (size_t i = 0; i < mask.size(); ++i) {
    std::vector<float> table(mask[i].size(), 1.0f);
    table.insert(table.end(), mask[i].begin(), mask[i].end());
    device.upload(plan.gates()[i].table, table.data(), sizeof(float) * table.size());
  }
  device.upload(plan.images().data, images.data(), sizeof(float) * images.size());
  plan.forward();
  std::vector<float> expected(static_cast<size_t>(2 * n * own.num_classes()));
  device.download(expected.data(), plan.logits().data, sizeof(float) * expected.size());

  for (GatedForward* forward : {&own, &borrower}) {
    std::vector<float> original(expected.size() / 2), gated(expected.size() / 2);
    run_beside_original(*forward, mask, images.data(), n, original.data(), gated.data());
    CHECK_FALSE(same(original, gated));
    original.insert(original.end(), gated.begin(), gated.end());
    CHECK(same(original, expected));
  }
}

}  // namespace nad::test
