#include "nad/learn/learning_state.h"

#include "nad/learn/carver.h"

namespace nad {

LearningState::LearningState(Backend& backend, const LearnOptions& options, const std::vector<int64_t>& channels) {
  for (const int64_t c : channels) gates.push_back({.channels = c});
  bytes = carve(nullptr, options);
  memory_ = backend.allocate(bytes);
  carve(memory_.get(), options);
  std::vector<float> values;
  for (int64_t g = 0; g < options.slots; ++g) {
    for (const double v : {options.lr, options.beta, options.lambda}) values.push_back(static_cast<float>(v));
  }
  backend.upload(hyper, values.data(), sizeof(float) * values.size());
  if (others) {
    const std::vector<int32_t> none(static_cast<size_t>(options.slots), 0);
    backend.upload(others, none.data(), sizeof(int32_t) * none.size());
  }
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
  carver.take(hyper, 3 * g);
  if (options.shows_others()) {
    carver.take(others, g);
    carver.take(apart, g);
    carver.take(full_beta, g);
    carver.take(means, 2 * g);
  }
  if (!options.byte_values.empty()) {
    carver.take(samples, n);
    carver.take(byte_values, static_cast<int64_t>(options.byte_values.size()));
  }
  for (Gate& gate : gates) {
    for (float** p : {&gate.logits, &gate.sigma, &gate.gradient}) carver.take(*p, g * gate.channels);
    if (options.noisy()) carver.take(gate.noise, n * gate.channels);
    if (!uses_taps(options.objective)) {
      for (double** p : {&gate.sum_square, &gate.sum_log, &gate.sum_ratio}) carver.take(*p, g * gate.channels);
    }
    if (options.objective == Objective::specific) {
      for (float** p : {&gate.adam_mean, &gate.adam_square}) carver.take(*p, g * gate.channels);
      carver.take(gate.adam_steps, g);
    }
  }
  return carver.used();
}

}  // namespace nad
