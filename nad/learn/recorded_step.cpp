#include "nad/learn/recorded_step.h"

#include <chrono>

namespace nad {

RecordedStep::RecordedStep(Context& context, const Plan& plan, const LearnOptions& options,
                           const LearningState& state, const LossRecord& record)
    : context_(context), plan_(plan), options_(options), state_(state), record_(record) {
  Planner planner(context);
  const LearningOps& ops = learning_backend(context.backend()).learning_ops();
  record_before(planner, ops);
  record_between(planner, ops);
  record_after(planner, ops);
}

void RecordedStep::record_before(Planner& planner, const LearningOps& ops) {
  if (state_.samples) {
    before_.push_back({"augment", ops.augment(planner, {plan_.images(), state_.samples, state_.byte_values,
                                                        kMaxAugmentSide, options_.interpolation})});
  }
  for (size_t i = 0; i < state_.gates.size(); ++i) {
    const LearningState::Gate& gate = state_.gates[i];
    if (options_.noisy() && !options_.given_noise) {
      before_.push_back({"gate_noise", ops.gate_noise(planner, {groups(), gate.channels, i, state_.keys, state_.steps,
                                                                gate.noise})});
    }
    before_.push_back(
        {"gate_values", ops.gate_values(planner, {groups(), options_.objective, gate.channels, gate.logits,
                                                  gate.sigma, gate.noise, plan_.gates()[i].table})});
  }
}

void RecordedStep::record_between(Planner& planner, const LearningOps& ops) {
  const LearningRows rows = options_.rows();
  between_.push_back(
      {"classify", ops.classify(planner, {groups(), rows.originals(plan_.logits()), state_.labels,
                                          options_.correct_only(), state_.predicted, plan_.tap_weight(),
                                          record_.correct_count, record_.apply, state_.apart})});
  record_loss(planner, ops);
  if (uses_taps(options_.objective)) return;
  for (size_t i = 0; i < state_.gates.size(); ++i) {
    const LearningState::Gate& gate = state_.gates[i];
    const bool noisy = options_.noisy();
    between_.push_back(
        {"gate_statistics",
         ops.gate_statistics(planner,
                             {groups(), rows.originals(plan_.gates()[i].value), noisy ? gate.sigma : nullptr,
                              gate.sum_square, noisy ? gate.sum_log : nullptr, noisy ? gate.sum_ratio : nullptr})});
  }
}

void RecordedStep::record_loss(Planner& planner, const LearningOps& ops) {
  const LearningRows rows = options_.rows();
  if (options_.objective == Objective::specific) {
    SpecificLossArgs a;
    a.groups = groups();
    a.original = rows.originals(plan_.logits());
    a.logits = rows.gated(plan_.logits());
    a.labels = state_.labels;
    a.predicted = state_.predicted;
    a.apart_count = state_.apart;
    a.hyper = state_.hyper;
    a.target = options_.target;
    a.cross_entropy = record_.cross_entropy;
    a.specificity = record_.specificity;
    a.own_answered = record_.own_answered;
    a.others_answered = record_.others_answered;
    a.dlogits = plan_.logits_gradient();
    between_.push_back({"specific_loss", ops.specific_loss(planner, a)});
    return;
  }
  const bool released = options_.objective == Objective::released;
  const float coefficient = released ? 1.0f / static_cast<float>(state_.gates.size()) : 1.0f;
  between_.push_back(
      {"softmax_loss", ops.softmax_loss(planner, {groups(), rows.gated(plan_.logits()), state_.labels, !released,
                                                  coefficient, record_.cross_entropy, plan_.logits_gradient()})});
}

void RecordedStep::record_after(Planner& planner, const LearningOps& ops) {
  for (size_t i = 0; i < state_.gates.size(); ++i) {
    const LearningState::Gate& gate = state_.gates[i];
    const Plan::GateMemory& memory = plan_.gates()[i];
    GateUpdateArgs a;
    a.groups = groups();
    a.objective = options_.objective;
    a.channels = gate.channels;
    a.plane = memory.plane;
    a.gates = static_cast<int64_t>(state_.gates.size());
    a.hyper = state_.hyper;
    a.apply = record_.apply;
    a.tap_weight = plan_.tap_weight();
    a.tap_sum = memory.tap_sum;
    a.sum_square = gate.sum_square;
    a.sum_log = gate.sum_log;
    a.sum_ratio = gate.sum_ratio;
    a.dgate = memory.dgate;
    a.noise = gate.noise;
    a.logits = gate.logits;
    a.sigma = gate.sigma;
    a.gradient = gate.gradient;
    a.terms = record_.terms_of(static_cast<int64_t>(i));
    a.adam_mean = gate.adam_mean;
    a.adam_square = gate.adam_square;
    a.adam_steps = gate.adam_steps;
    after_.push_back({"gate_update", ops.gate_update(planner, a)});
  }
  if (options_.objective != Objective::specific) return;
  after_.push_back(
      {"operating_point",
       ops.operating_point(planner, {groups(), record_.apply, record_.correct_count, state_.apart,
                                     record_.own_answered, record_.others_answered, options_.max_false_alarms,
                                     state_.full_beta, state_.hyper, state_.means, record_.weights})});
}

template <class Visit>
void RecordedStep::each_kernel(Visit&& visit) const {
  for (const Named& k : before_) visit(k.op, k.op.c_str(), false, k.kernel);
  for (const Plan::Step& s : plan_.forward_steps()) visit(s.name, s.op, false, s.kernel);
  for (const Named& k : between_) visit(k.op, k.op.c_str(), false, k.kernel);
  for (const Plan::Step& s : plan_.backward_steps()) visit(s.name, s.op, true, s.kernel);
  for (const Named& k : after_) visit(k.op, k.op.c_str(), true, k.kernel);
}

void RecordedStep::run() {
  Backend& backend = context_.backend();
  backend.replay(this, [&] {
    each_kernel([&](const std::string& name, const char*, bool, const Kernel& kernel) {
      backend.begin_range(name);
      kernel(context_);
      backend.end_range();
    });
  });
}

std::vector<StepTiming> RecordedStep::run_timed() {
  using Clock = std::chrono::steady_clock;
  std::vector<StepTiming> timings;
  each_kernel([&](const std::string& name, const char* op, bool backward, const Kernel& kernel) {
    const Clock::time_point start = Clock::now();
    kernel(context_);
    context_.backend().synchronize();
    timings.push_back({name, op, backward, std::chrono::duration<double>(Clock::now() - start).count()});
  });
  return timings;
}

}  // namespace nad
