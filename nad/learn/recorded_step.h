// A step of gate learning as a list of kernels, recorded once and replayed: augment, noise and gate values; the
// network forward; which samples count, losses and statistics; the network backward; the gates' update.
#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "nad/learn/learning_state.h"
#include "nad/learn/loss_history.h"

namespace nad {

// Of one kernel of a step.
struct StepTiming {
  std::string name, op;
  bool backward = false;
  double seconds = 0;
};

class RecordedStep {
 public:
  // All must outlive the object. record: where the step leaves its losses.
  RecordedStep(Context& context, const Plan& plan, const LearnOptions& options, const LearningState& state,
               const LossRecord& record);

  void run();  // on a GPU: the captured graph of it
  // The kernels one by one, each until it is done.
  std::vector<StepTiming> run_timed();

 private:
  struct Named {
    std::string op;
    Kernel kernel;
  };
  void record_before(Planner& planner, const LearningOps& ops);
  void record_between(Planner& planner, const LearningOps& ops);
  void record_loss(Planner& planner, const LearningOps& ops);
  void record_after(Planner& planner, const LearningOps& ops);
  Groups groups() const { return {options_.slots, options_.rows().images_a_class, state_.valid, state_.others}; }
  // visit(name, op, backward, kernel) for every kernel in order.
  template <class Visit>
  void each_kernel(Visit&& visit) const;

  Context& context_;
  const Plan& plan_;
  const LearnOptions& options_;
  const LearningState& state_;
  const LossRecord& record_;
  std::vector<Named> before_, between_, after_;  // the forward pass, it and the backward pass, that
};

}  // namespace nad
