#include "nad/learn/learning_state.h"

#include "nad/learn/carver.h"

namespace nad {

LearningState::LearningState(Backend& backend, const LearnOptions& options, const std::vector<int64_t>& channels) {
  for (const int64_t c : channels) gates.push_back({.channels = c});
  bytes = carve(nullptr, options);
  memory_ = backend.allocate(bytes);
  carve(memory_.get(), options);
  const float values[2] = {static_cast<float>(options.lr), static_cast<float>(options.beta)};
  backend.upload(hyper, values, sizeof values);
  if (byte_values) {
    backend.upload(byte_values, options.byte_values.data(), sizeof(float) * options.byte_values.size());
  }
}

size_t LearningState::carve(std::byte* base, const LearnOptions& options) {
  Carver carver(base);
  const int64_t g = options.slots, n = options.rows().images();
  carver.take(labels, n);
  carver.take(predicted, n);
  carver.take(valid, g);
  carver.take(keys, g);
  carver.take(steps, g);
  carver.take(hyper, 2);
  if (!options.byte_values.empty()) {
    carver.take(samples, n);
    carver.take(byte_values, static_cast<int64_t>(options.byte_values.size()));
  }
  for (Gate& gate : gates) {
    for (float** p : {&gate.logits, &gate.sigma, &gate.gradient}) carver.take(*p, g * gate.channels);
    if (options.noisy()) carver.take(gate.noise, n * gate.channels);
    if (options.objective != Objective::released) {
      for (double** p : {&gate.sum_square, &gate.sum_log, &gate.sum_ratio}) carver.take(*p, g * gate.channels);
    }
  }
  return carver.used();
}

}  // namespace nad
