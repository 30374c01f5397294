#include "nad/analyse/channel_scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace nad {
namespace {

constexpr int64_t kBatch = 4;  // images; each has a row of gates of its own, and with it gradients of its own

PlanOptions plan_options() {
  PlanOptions options;
  options.gradient = true;
  options.keep_gates = true;
  options.gate_rows = kBatch;
  return options;
}

}  // namespace

ChannelScores::ChannelScores(const Laboratory& laboratory)
    : context_(*laboratory.parts().context),
      plan_(context_, laboratory.parts().network.with_batch(kBatch, 1), plan_options()) {
  std::vector<int32_t> rows(static_cast<size_t>(kBatch));
  std::iota(rows.begin(), rows.end(), 0);
  context_.backend().upload(plan_.rows(), rows.data(), sizeof(int32_t) * rows.size());
  for (const Plan::GateMemory& gate : plan_.gates()) {
    const std::vector<float> ones(static_cast<size_t>(kBatch * gate.channels), 1.0f);
    context_.backend().upload(gate.table, ones.data(), sizeof(float) * ones.size());
  }
}

void ChannelScores::add_activations(int64_t count, GateVectors& sums) {
  for (size_t g = 0; g < plan_.gates().size(); ++g) {
    const Tensor from = plan_.gates()[g].value.samples(0, count);
    std::vector<float> values(static_cast<size_t>((from.shape.pixels() - 1) * from.stride + from.shape.c));
    context_.backend().download(values.data(), from.data, sizeof(float) * values.size());
    std::vector<double> channels(static_cast<size_t>(from.shape.c), 0);
    for (int64_t pixel = 0; pixel < from.shape.pixels(); ++pixel) {
      for (int64_t c = 0; c < from.shape.c; ++c) channels[c] += std::abs(values[pixel * from.stride + c]);
    }
    const auto plane = static_cast<double>(from.shape.h * from.shape.w);
    for (int64_t c = 0; c < from.shape.c; ++c) sums[g][c] += static_cast<float>(channels[c] / plane);
  }
}

void ChannelScores::add_gradients(int64_t count, int64_t class_index, GateVectors& sums) {
  const Tensor gradient = plan_.logits_gradient();
  std::vector<float> one(static_cast<size_t>(gradient.shape.count()), 0.0f);
  for (int64_t n = 0; n < count; ++n) one[n * gradient.shape.c + class_index] = 1.0f;
  context_.backend().upload(gradient.data, one.data(), sizeof(float) * one.size());
  plan_.backward();
  for (size_t g = 0; g < plan_.gates().size(); ++g) {
    const Plan::GateMemory& gate = plan_.gates()[g];
    std::vector<float> values(static_cast<size_t>(kBatch * gate.channels));
    context_.backend().download(values.data(), gate.dgate, sizeof(float) * values.size());
    for (int64_t n = 0; n < count; ++n) {
      for (int64_t c = 0; c < gate.channels; ++c) sums[g][c] += std::abs(values[n * gate.channels + c]);
    }
  }
}

ChannelScores::Scores ChannelScores::of(const LabelledPixels& images, int64_t class_index) {
  Scores scores;
  for (const Plan::GateMemory& gate : plan_.gates()) scores.activation.emplace_back(gate.channels, 0.0f);
  scores.activation_times_gradient = scores.activation;
  const auto total = static_cast<int64_t>(images.labels.size());
  const int64_t pixels = images.size * images.size * 3;
  for (int64_t first = 0; first < total; first += kBatch) {
    const int64_t count = std::min(kBatch, total - first);
    context_.backend().upload(plan_.images().data, images.pixels.data() + first * pixels,
                              sizeof(float) * static_cast<size_t>(count * pixels));
    plan_.forward();
    add_activations(count, scores.activation);
    add_gradients(count, class_index, scores.activation_times_gradient);
  }
  for (GateVectors* all : {&scores.activation, &scores.activation_times_gradient}) {
    for (std::vector<float>& gate : *all) {
      for (float& value : gate) value /= static_cast<float>(std::max<int64_t>(1, total));
    }
  }
  return scores;
}

}  // namespace nad
