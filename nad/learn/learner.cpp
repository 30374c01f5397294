#include "nad/learn/learner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "engine/error.h"

namespace nad {

namespace {

// Hands out typed pieces of one block: first to count bytes, then with the block's address.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <class T>
  void take(T*& pointer, int64_t count) {
    if (base_) pointer = reinterpret_cast<T*>(base_ + used_);
    used_ += (sizeof(T) * count + 255) / 256 * 256;
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

}  // namespace

Learner::Learner(Context& context, const NetworkDescription& network, std::map<std::string, HostTensor> weights,
                 const LearnOptions& options)
    : context_(context), options_(options) {
  const int64_t n = capacity();
  const bool noisy = options.objective == Objective::variational;
  {
    const Tape tape = build_network(network, std::move(weights), {n, 2, options.fold_batchnorm});
    PlanOptions plan_options;
    plan_options.gradient = true;
    plan_options.taps = options.objective == Objective::released;
    plan_options.gate_rows = 1 + (noisy ? n : options.slots);
    plan_ = std::make_unique<Plan>(context, tape, plan_options);
  }
  for (const Plan::GateMemory& gate : plan_->gates()) gates_.push_back({.channels = gate.channels});

  const int64_t g = options.slots;
  auto carve = [&](Carver carver) {
    carver.take(labels_, n);
    carver.take(predicted_, n);
    carver.take(valid_, g);
    for (uint64_t** p : {&keys_, &steps_}) carver.take(*p, g);
    carver.take(hyper_, 2);
    if (!options_.byte_values.empty()) {
      carver.take(samples_, n);
      carver.take(byte_values_, static_cast<int64_t>(options_.byte_values.size()));
    }
    const size_t losses = carver.used();  // what loss() reads, in one piece
    for (int32_t** p : {&apply_, &correct_}) carver.take(*p, g);
    carver.take(cross_entropy_, g);
    for (GateState& s : gates_) carver.take(s.terms, 2 * g);
    record_bytes_ = carver.used() - losses;
    carver.take(history_, kLossHistory * static_cast<int64_t>(record_bytes_));
    for (GateState& s : gates_) {
      for (float** p : {&s.logits, &s.sigma, &s.gradient}) carver.take(*p, g * s.channels);
      if (noisy) carver.take(s.noise, n * s.channels);
      if (options.objective != Objective::released) {
        for (double** p : {&s.sum_square, &s.sum_log, &s.sum_ratio}) carver.take(*p, g * s.channels);
      }
    }
    return carver.used();
  };
  state_bytes_ = carve(Carver(nullptr));
  state_ = context.backend().allocate(state_bytes_);
  carve(Carver(state_.get()));
  losses_.resize(kLossHistory * record_bytes_);

  const float hyper[2] = {static_cast<float>(options.lr), static_cast<float>(options.beta)};
  context.backend().upload(hyper_, hyper, sizeof hyper);
  if (byte_values_) {
    context.backend().upload(byte_values_, options_.byte_values.data(), sizeof(float) * options_.byte_values.size());
  }
  record_step();
}

// The step around the plan: before the forward pass, between forward and backward, after.
void Learner::record_step() {
  Planner planner(context_);
  const LearningOps& ops = learning_backend(context_.backend()).learning_ops();
  const Groups groups = {options_.slots, options_.batch, valid_};
  const Objective objective = options_.objective;
  const bool noisy = objective == Objective::variational;
  const int64_t n = capacity();
  std::vector<Plan::GateMemory>& memory = plan_->gates();

  if (byte_values_) {
    before_.emplace_back(
        "augment", ops.augment(planner, {plan_->images().samples(0, n), samples_, byte_values_, kMaxAugmentSide}));
  }
  for (size_t i = 0; i < gates_.size(); ++i) {
    const GateState& s = gates_[i];
    if (noisy && !options_.given_noise) {
      before_.emplace_back("gate_noise", ops.gate_noise(planner, {groups, s.channels, i, keys_, steps_, s.noise}));
    }
    before_.emplace_back("gate_values", ops.gate_values(planner, {groups, objective, s.channels, s.logits, s.sigma,
                                                                  s.noise, memory[i].table}));
  }

  const Tensor logits = plan_->logits();
  between_.emplace_back(
      "classify", ops.classify(planner, {groups, logits.samples(0, n), labels_, objective == Objective::released,
                                         predicted_, plan_->tap_weight(), correct_, apply_}));
  const float coefficient = objective == Objective::released ? 1.0f / static_cast<float>(gates_.size()) : 1.0f;
  between_.emplace_back("softmax_loss", ops.softmax_loss(planner, {groups, logits.samples(n, n), labels_,
                                                                   objective != Objective::released, coefficient,
                                                                   cross_entropy_, plan_->logits_gradient()}));
  for (size_t i = 0; i < gates_.size() && objective != Objective::released; ++i) {
    const GateState& s = gates_[i];
    between_.emplace_back(
        "gate_statistics",
        ops.gate_statistics(planner, {groups, memory[i].value.samples(0, n), noisy ? s.sigma : nullptr, s.sum_square,
                                      noisy ? s.sum_log : nullptr, noisy ? s.sum_ratio : nullptr}));
  }
  for (size_t i = 0; i < gates_.size(); ++i) {
    const GateState& s = gates_[i];
    GateUpdateArgs a;
    a.groups = groups;
    a.objective = objective;
    a.channels = s.channels;
    a.plane = memory[i].plane;
    a.gates = static_cast<int64_t>(gates_.size());
    a.hyper = hyper_;
    a.apply = apply_;
    a.tap_weight = plan_->tap_weight();
    a.tap_sum = memory[i].tap_sum;
    a.sum_square = s.sum_square;
    a.sum_log = s.sum_log;
    a.sum_ratio = s.sum_ratio;
    a.dgate = memory[i].dgate;
    a.noise = s.noise;
    a.logits = s.logits;
    a.sigma = s.sigma;
    a.gradient = s.gradient;
    a.terms = s.terms;
    after_.emplace_back("gate_update", ops.gate_update(planner, a));
  }
}

std::vector<int64_t> Learner::channels() const {
  std::vector<int64_t> result;
  for (const GateState& s : gates_) result.push_back(s.channels);
  return result;
}

std::vector<std::string> Learner::gate_names() const {
  std::vector<std::string> result;
  for (const Plan::GateMemory& gate : plan_->gates()) result.push_back(gate.name);
  return result;
}

void Learner::assign(int64_t slot, const GateVectors& logits, const GateVectors& sigma, uint64_t key) {
  Backend& backend = context_.backend();
  for (size_t i = 0; i < gates_.size(); ++i) {
    const int64_t c = gates_[i].channels;
    const bool given = !sigma.empty();
    if (logits.size() != gates_.size() || static_cast<int64_t>(logits[i].size()) != c ||
        (given && (sigma.size() != gates_.size() || static_cast<int64_t>(sigma[i].size()) != c))) {
      throw Error(ErrorKind::data,
                  "gate " + std::to_string(i) + " (" + plan_->gates()[i].name + ") has " + std::to_string(c) +
                      " channels: the given logits do not fit",
                  "use gates made for the same network");
    }
    const std::vector<float> start(c, -2.0f);
    backend.upload(gates_[i].logits + slot * c, logits[i].data(), sizeof(float) * c);
    backend.upload(gates_[i].sigma + slot * c, given ? sigma[i].data() : start.data(), sizeof(float) * c);
  }
  backend.upload(keys_ + slot, &key, sizeof key);
}

void Learner::release(int64_t slot) {
  const int32_t none = 0;
  context_.backend().upload(valid_ + slot, &none, sizeof none);
  if (samples_) upload_samples(slot, {});  // the class's images may be freed now
}

void Learner::set_labels(int64_t slot, const int32_t* labels, int64_t valid, uint64_t step) {
  Backend& backend = context_.backend();
  const int32_t count = static_cast<int32_t>(valid);
  backend.upload(labels_ + slot * options_.batch, labels, sizeof(int32_t) * valid);
  backend.upload(valid_ + slot, &count, sizeof count);
  backend.upload(steps_ + slot, &step, sizeof step);
}

void Learner::set_batch(int64_t slot, const float* images, const int32_t* labels, int64_t valid, uint64_t step) {
  const Tensor to = plan_->images().samples(slot * options_.batch, valid);
  if (samples_) upload_samples(slot, {});  // the step leaves these pixels alone
  context_.backend().upload(to.data, images, sizeof(float) * to.shape.count());
  set_labels(slot, labels, valid, step);
}

void Learner::set_batch(int64_t slot, std::span<const AugmentSample> samples, const int32_t* labels, uint64_t step) {
  if (!samples_) throw std::logic_error("Learner::set_batch with draws needs LearnOptions::byte_values");
  upload_samples(slot, samples);
  set_labels(slot, labels, static_cast<int64_t>(samples.size()), step);
}

void Learner::upload_samples(int64_t slot, std::span<const AugmentSample> samples) {
  std::vector<AugmentSample> all(samples.begin(), samples.end());
  all.resize(options_.batch);
  context_.backend().upload(samples_ + slot * options_.batch, all.data(), sizeof(AugmentSample) * all.size());
}

void Learner::set_noise(int64_t slot, const GateVectors& noise) {
  for (size_t i = 0; i < gates_.size(); ++i) {
    const int64_t count = options_.batch * gates_[i].channels;
    context_.backend().upload(gates_[i].noise + slot * count, noise[i].data(), sizeof(float) * count);
  }
}

void Learner::set_beta(double beta) {
  options_.beta = beta;
  const float value = static_cast<float>(beta);
  context_.backend().upload(hyper_ + 1, &value, sizeof value);
}

// Learning: originals use row 0, gated samples their slot's row or, where gates are noisy, their own.
// Evaluation: all gated samples use row 1.
void Learner::set_rows(int64_t evaluated) {
  const int64_t n = capacity();
  if (evaluated == 0 && rows_for_learning_) return;
  std::vector<int32_t> rows(2 * n, 0);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t own = options_.objective == Objective::variational ? i : i / options_.batch;
    rows[n + i] = static_cast<int32_t>(evaluated ? 1 : 1 + own);
  }
  context_.backend().upload(plan_->rows(), rows.data(), sizeof(int32_t) * rows.size());
  rows_for_learning_ = evaluated == 0;
}

template <class Visit>
void Learner::each_kernel(Visit&& visit) {
  for (auto& [name, kernel] : before_) visit(name, name.c_str(), false, kernel);
  for (const Plan::Step& s : plan_->forward_steps()) visit(s.name, s.op, false, s.kernel);
  for (auto& [name, kernel] : between_) visit(name, name.c_str(), false, kernel);
  for (const Plan::Step& s : plan_->backward_steps()) visit(s.name, s.op, true, s.kernel);
  for (auto& [name, kernel] : after_) visit(name, name.c_str(), true, kernel);
}

void Learner::step() {
  set_rows(0);
  Backend& backend = context_.backend();
  backend.replay(this, [&] {
    each_kernel([&](const std::string& name, const char*, bool, const Kernel& kernel) {
      backend.begin_range(name);
      kernel(context_);
      backend.end_range();
    });
  });
  const int64_t record = steps_done_++ % kLossHistory;
  backend.copy(history_ + static_cast<size_t>(record) * record_bytes_, apply_, record_bytes_);
}

std::vector<Learner::Timing> Learner::timed_step() {
  using Clock = std::chrono::steady_clock;
  std::vector<Timing> timings;
  set_rows(0);
  each_kernel([&](const std::string& name, const char* op, bool backward, const Kernel& kernel) {
    const Clock::time_point start = Clock::now();
    kernel(context_);
    context_.backend().synchronize();
    timings.push_back({name, op, backward, std::chrono::duration<double>(Clock::now() - start).count()});
  });
  return timings;
}

// All steps and slots in one transfer.
void Learner::fetch_losses() {
  if (steps_fetched_ == steps_done_) return;
  context_.backend().download(losses_.data(), history_, losses_.size());
  steps_fetched_ = steps_done_;
}

// What the step `back` steps ago left at `device`.
template <class T>
T Learner::fetched(const T* device, int64_t back) const {
  const auto record = static_cast<size_t>((steps_done_ - 1 - back) % kLossHistory);
  const auto offset = reinterpret_cast<const std::byte*>(device) - reinterpret_cast<const std::byte*>(apply_);
  T value;
  std::memcpy(&value, losses_.data() + record * record_bytes_ + offset, sizeof value);
  return value;
}

StepLoss Learner::loss(int64_t slot, int64_t back) {
  if (back < 0 || back >= std::min(steps_done_, kLossHistory)) {
    throw std::logic_error("Learner::loss of " + std::to_string(back) + " steps ago");
  }
  fetch_losses();
  const double count = static_cast<double>(gates_.size());
  const double cross_entropy = fetched(cross_entropy_ + slot, back);

  StepLoss loss;
  loss.correct = fetched(correct_ + slot, back);
  if (loss.correct < 0) {
    throw Error(ErrorKind::not_finite, "the original network's logits are not finite",
                "check that mean and std of the weights file fit the network");
  }
  loss.skipped = fetched(apply_ + slot, back) == 0;
  if (loss.skipped) {
    loss.total = loss.first = loss.regular = loss.cross_entropy = std::numeric_limits<double>::quiet_NaN();
    return loss;
  }
  loss.cross_entropy = cross_entropy;
  loss.first = options_.objective == Objective::released ? cross_entropy / count : cross_entropy;
  for (const GateState& s : gates_) {
    loss.first += fetched(s.terms + 2 * slot, back);
    loss.regular += fetched(s.terms + 2 * slot + 1, back);
  }
  loss.total = loss.first + options_.beta * loss.regular;
  if (!std::isfinite(loss.total)) {
    throw Error(ErrorKind::not_finite,
                "loss is not finite (cross-entropy " + std::to_string(loss.cross_entropy) + ", first term " +
                    std::to_string(loss.first) + ", regularising term " + std::to_string(loss.regular) + ")",
                "check that mean and std of the weights file fit the network");
  }
  return loss;
}

namespace {

template <class Pick>
GateVectors download_gates(Backend& backend, const std::vector<int64_t>& channels, int64_t slot, Pick&& pick) {
  GateVectors result;
  for (size_t i = 0; i < channels.size(); ++i) {
    std::vector<float> values(channels[i]);
    backend.download(values.data(), pick(i) + slot * channels[i], sizeof(float) * channels[i]);
    result.push_back(std::move(values));
  }
  return result;
}

}  // namespace

GateVectors Learner::logits(int64_t slot) {
  return download_gates(context_.backend(), channels(), slot, [this](size_t i) { return gates_[i].logits; });
}
GateVectors Learner::sigma(int64_t slot) {
  return download_gates(context_.backend(), channels(), slot, [this](size_t i) { return gates_[i].sigma; });
}
GateVectors Learner::gradient(int64_t slot) {
  return download_gates(context_.backend(), channels(), slot, [this](size_t i) { return gates_[i].gradient; });
}

void Learner::evaluate(const GateVectors& gates, const float* images, int64_t count, float* original, float* hard) {
  Backend& backend = context_.backend();
  const int64_t n = capacity();
  set_rows(1);
  for (size_t i = 0; i < gates_.size(); ++i) {
    const int64_t c = gates_[i].channels;
    std::vector<float> table(2 * c, 1.0f);
    std::transform(gates[i].begin(), gates[i].end(), table.begin() + c, in_mask);
    backend.upload(plan_->gates()[i].table, table.data(), sizeof(float) * table.size());
  }
  const Tensor to = plan_->images().samples(0, count);
  backend.upload(to.data, images, sizeof(float) * to.shape.count());
  plan_->forward();
  const Tensor logits = plan_->logits();
  const size_t bytes = sizeof(float) * count * logits.shape.c;
  if (original) backend.download(original, logits.samples(0, count).data, bytes);
  if (hard) backend.download(hard, logits.samples(n, count).data, bytes);
}

MemoryAccount Learner::account() const {
  MemoryAccount account = plan_->account();
  account.state += state_bytes_;
  return account;
}

int64_t Learner::largest_batch() const {
  const MemoryAccount a = account();
  const size_t per_image = (a.activations + a.state) / static_cast<size_t>(capacity()) + 1;
  const size_t available = context_.backend().free_bytes() + a.activations + a.state;
  return static_cast<int64_t>(available / per_image) / options_.slots;
}

}  // namespace nad
