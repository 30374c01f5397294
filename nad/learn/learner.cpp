#include "nad/learn/learner.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "nad/gates/gate_shapes.h"

namespace nad {
namespace {

PlanOptions plan_options(const LearnOptions& options) {
  PlanOptions plan;
  plan.gradient = true;
  plan.gradient_from = options.rows().images();
  plan.taps = uses_taps(options.objective);
  plan.gate_rows = options.rows().rows();
  return plan;
}

}  // namespace

Learner::Learner(Context& context, const NetworkDescription& network, std::map<std::string, HostTensor> weights,
                 const LearnOptions& options)
    : Learner(context, build_network(network, std::move(weights), {1, 1, options.fold_batchnorm}), options) {}

Learner::Learner(Context& context, const Tape& network, const LearnOptions& options)
    : context_(context),
      options_(options),
      plan_(context, network.with_batch(capacity(), 2), plan_options(options)),
      forward_(context, network, {.images = capacity(), .copies = 2, .rows = 2}, &plan_),
      state_(context.backend(), options_, gate_channels(plan_)),
      history_(context.backend(), options.slots, static_cast<int64_t>(plan_.gates().size())),
      weights_(static_cast<size_t>(options.slots), {options.beta, options.lambda}),
      paces_(static_cast<size_t>(options.slots)),
      step_(context, plan_, options_, state_, history_.record()) {
  const std::vector<int32_t> rows = options_.rows().row_of_sample();
  context.backend().upload(plan_.rows(), rows.data(), sizeof(int32_t) * rows.size());
}

std::vector<int64_t> Learner::channels() const { return gate_channels(plan_); }

void Learner::assign(int64_t slot, const GateVectors& logits, const GateVectors& sigma, uint64_t key,
                     const Moments& moments) {
  Backend& backend = context_.backend();
  check_gates(plan_, logits, "logits");
  const bool given = !sigma.empty();
  if (given) check_gates(plan_, sigma, "logits of the noise");
  assign_moments(slot, moments);
  for (size_t i = 0; i < state_.gates.size(); ++i) {
    const int64_t c = state_.gates[i].channels;
    const std::vector<float> start(static_cast<size_t>(c), -2.0f);
    backend.upload(state_.gates[i].logits + slot * c, logits[i].data(), sizeof(float) * c);
    backend.upload(state_.gates[i].sigma + slot * c, given ? sigma[i].data() : start.data(), sizeof(float) * c);
  }
  backend.upload(state_.keys + slot, &key, sizeof key);
}

void Learner::assign_moments(int64_t slot, const Moments& moments) {
  if (options_.objective != Objective::specific) return;
  Backend& backend = context_.backend();
  const bool given = !moments.mean.empty() || !moments.square.empty();
  const auto steps = static_cast<uint64_t>(moments.steps);
  if (given) check_gates(plan_, moments.mean, "means of Adam");
  if (given) check_gates(plan_, moments.square, "squares of Adam");
  for (size_t i = 0; i < state_.gates.size(); ++i) {
    const LearningState::Gate& gate = state_.gates[i];
    const std::vector<float> zeros(static_cast<size_t>(gate.channels), 0.0f);
    const std::vector<float>& mean = given ? moments.mean[i] : zeros;
    const std::vector<float>& square = given ? moments.square[i] : zeros;
    backend.upload(gate.adam_mean + slot * gate.channels, mean.data(), sizeof(float) * mean.size());
    backend.upload(gate.adam_square + slot * gate.channels, square.data(), sizeof(float) * square.size());
    backend.upload(gate.adam_steps + slot, &steps, sizeof steps);
  }
  assign_point(slot, moments.point);
}

void Learner::assign_point(int64_t slot, const std::optional<OperatingPoint>& given) {
  const OperatingPoint start{options_.follows_limit() ? 0 : options_.beta, options_.lambda, 0, 0};
  const OperatingPoint point = given.value_or(start);
  upload_pace(slot, {options_.lr, options_.beta});
  set_beta(slot, point.beta);
  set_lambda(slot, point.lambda);
  const double means[] = {point.false_alarms, point.surplus};
  context_.backend().upload(state_.means + 2 * slot, means, sizeof means);
}

int64_t Learner::first_other(int64_t slot) const {
  if (!options_.shows_others()) throw std::logic_error("Learner::set_others: this objective shows no other classes");
  return first(slot) + options_.batch;
}

void Learner::release(int64_t slot) {
  const int32_t none = 0;
  context_.backend().upload(state_.valid + slot, &none, sizeof none);
  if (state_.samples) upload_samples(first(slot), {});  // the class's images may be freed now
  if (!options_.shows_others()) return;
  set_other_count(slot, 0);
  if (state_.samples) upload_samples(first_other(slot), {});
}

void Learner::set_labels(int64_t slot, const int32_t* labels, int64_t valid, uint64_t step) {
  Backend& backend = context_.backend();
  const int32_t count = static_cast<int32_t>(valid);
  backend.upload(state_.labels + first(slot), labels, sizeof(int32_t) * valid);
  backend.upload(state_.valid + slot, &count, sizeof count);
  backend.upload(state_.steps + slot, &step, sizeof step);
}

void Learner::set_other_count(int64_t slot, int64_t count) {
  const int32_t others = static_cast<int32_t>(count);
  context_.backend().upload(state_.others + slot, &others, sizeof others);
}

void Learner::set_batch(int64_t slot, const float* images, const int32_t* labels, int64_t valid, uint64_t step) {
  const Tensor to = plan_.images().samples(first(slot), valid);
  if (state_.samples) upload_samples(first(slot), {});  // the step leaves these pixels alone
  context_.backend().upload(to.data, images, sizeof(float) * to.shape.count());
  set_labels(slot, labels, valid, step);
}

void Learner::set_batch(int64_t slot, std::span<const AugmentSample> samples, const int32_t* labels, uint64_t step) {
  if (!state_.samples) throw std::logic_error("Learner::set_batch with draws needs LearnOptions::byte_values");
  upload_samples(first(slot), samples);
  set_labels(slot, labels, static_cast<int64_t>(samples.size()), step);
}

void Learner::set_others(int64_t slot, const float* images, int64_t count) {
  const Tensor to = plan_.images().samples(first_other(slot), count);
  if (state_.samples) upload_samples(first_other(slot), {});
  context_.backend().upload(to.data, images, sizeof(float) * to.shape.count());
  set_other_count(slot, count);
}

void Learner::set_others(int64_t slot, std::span<const AugmentSample> samples) {
  if (!state_.samples) throw std::logic_error("Learner::set_others with draws needs LearnOptions::byte_values");
  upload_samples(first_other(slot), samples);
  set_other_count(slot, static_cast<int64_t>(samples.size()));
}

void Learner::upload_samples(int64_t first, std::span<const AugmentSample> samples) {
  std::vector<AugmentSample> all(samples.begin(), samples.end());
  all.resize(options_.batch);
  context_.backend().upload(state_.samples + first, all.data(), sizeof(AugmentSample) * all.size());
}

void Learner::set_noise(int64_t slot, const GateVectors& noise) {
  for (size_t i = 0; i < state_.gates.size(); ++i) {
    const int64_t count = options_.batch * state_.gates[i].channels;
    context_.backend().upload(state_.gates[i].noise + slot * count, noise[i].data(), sizeof(float) * count);
  }
}

void Learner::set_beta(double beta) {
  options_.beta = beta;
  for (int64_t slot = 0; slot < options_.slots; ++slot) set_beta(slot, beta);
}

void Learner::set_beta(int64_t slot, double beta) {
  weights_[static_cast<size_t>(slot)].beta = beta;
  upload_weight(slot, 1, beta);
}

void Learner::set_lambda(int64_t slot, double lambda) {
  weights_[static_cast<size_t>(slot)].lambda = lambda;
  upload_weight(slot, 2, lambda);
}

void Learner::set_pace(int64_t slot, int64_t step, int64_t steps) {
  if (!options_.follows_limit()) return;
  const Pace pace = pace_at(options_, step, steps);
  if (pace != paces_[static_cast<size_t>(slot)]) upload_pace(slot, pace);
}

void Learner::upload_pace(int64_t slot, const Pace& pace) {
  const float beta = static_cast<float>(pace.beta);
  context_.backend().upload(state_.full_beta + slot, &beta, sizeof beta);
  upload_weight(slot, 0, pace.lr);
  paces_[static_cast<size_t>(slot)] = pace;
}

void Learner::upload_weight(int64_t slot, int64_t which, double value) {
  const float number = static_cast<float>(value);
  context_.backend().upload(state_.hyper + 3 * slot + which, &number, sizeof number);
}

void Learner::step() {
  step_.run();
  history_.keep(weights_);
}

GateVectors Learner::download(int64_t slot, float* LearningState::Gate::*which) {
  GateVectors result;
  for (const LearningState::Gate& gate : state_.gates) {
    std::vector<float> values(static_cast<size_t>(gate.channels));
    context_.backend().download(values.data(), gate.*which + slot * gate.channels, sizeof(float) * values.size());
    result.push_back(std::move(values));
  }
  return result;
}

GateVectors Learner::logits(int64_t slot) { return download(slot, &LearningState::Gate::logits); }
GateVectors Learner::sigma(int64_t slot) { return download(slot, &LearningState::Gate::sigma); }
GateVectors Learner::gradient(int64_t slot) { return download(slot, &LearningState::Gate::gradient); }

Moments Learner::moments(int64_t slot) {
  if (options_.objective != Objective::specific) throw std::logic_error("Learner::moments: no Adam");
  Moments result;
  result.mean = download(slot, &LearningState::Gate::adam_mean);
  result.square = download(slot, &LearningState::Gate::adam_square);
  uint64_t steps = 0;
  context_.backend().download(&steps, state_.gates.front().adam_steps + slot, sizeof steps);
  result.steps = static_cast<int64_t>(steps);
  float hyper[3];
  double means[2];
  context_.backend().download(hyper, state_.hyper + 3 * slot, sizeof hyper);
  context_.backend().download(means, state_.means + 2 * slot, sizeof means);
  result.point = {static_cast<double>(hyper[1]), static_cast<double>(hyper[2]), means[0], means[1]};
  return result;
}

MemoryAccount Learner::account() const {
  MemoryAccount account = plan_.account();
  const MemoryAccount& forward = forward_.plan().account();
  account.weights += forward.weights;
  account.activations += forward.activations;
  account.scratch = std::max(account.scratch, forward.scratch);
  account.state += forward.state + state_.bytes + history_.bytes();
  return account;
}

int64_t Learner::largest_batch() const {
  const MemoryAccount a = account();
  const size_t per_image = (a.activations + a.state) / static_cast<size_t>(capacity()) + 1;
  const size_t available = context_.backend().free_bytes() + a.activations + a.state;
  return static_cast<int64_t>(available / per_image) / (capacity() / options_.batch);
}

}  // namespace nad
