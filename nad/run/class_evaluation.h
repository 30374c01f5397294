// What a learnt sub-architecture answers: to val images of its class (Top-1 before and after) and, without which that
// says nothing, to val images of other classes (docs/METHOD.md, section 5a.1).
#pragma once

#include <optional>

#include "nad/analyse/answers.h"
#include "nad/run/progress.h"
#include "nad/run/run_setup.h"
#include "nad/run/run_state.h"

namespace nad {

inline constexpr int64_t kOtherImages = 100;  // of all classes together, the same in the whole run

class ClassEvaluation {
 public:
  // All must outlive the object; state has its learner.
  ClassEvaluation(const RunSetup& setup, RunState& state, Progress& progress);

  // Fills the accuracies and the false alarms of the result. A class whose val images cannot be read is left without,
  // with a warning, and so are false alarms that cannot be measured: other classes' images never cost a class what it
  // has learnt. Throws Stopped after a stop signal, Error(not_finite) where the class's own logits are not finite.
  void evaluate(const ClassTask& task, ClassResult& result);

 private:
  void measure_false_alarms(const ClassTask& task, ClassResult& result);
  const LabelledPixels& others();

  const RunSetup& setup_;
  RunState& state_;
  Progress& progress_;
  std::optional<LabelledPixels> others_;  // drawn when they are first needed
};

}  // namespace nad
