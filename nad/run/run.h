// Learning the classes of a run: each takes a lane (nad/learn/lanes.h), and when it is done the next one takes its
// place, so that classes with different numbers of steps share steps without waiting for each other. What a class
// learns does not depend on its neighbours, nor on interruptions.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "nad/learn/lanes.h"
#include "nad/run/class_evaluation.h"
#include "nad/run/progress.h"
#include "nad/run/run_state.h"

namespace nad {

class Run {
 public:
  // Classes that state.results holds as finished are left alone, those
  // in progress go on. All must outlive the run; state has its learner.
  Run(const RunSetup& setup, RunState& state, Progress& progress);
  ~Run();

  // Learns, evaluates and saves. Afterwards state.results has every class; a class that failed (no images, a loss
  // that is not finite) is reported and recorded there, and the others go on. Throws Error(interrupted) after a stop
  // signal and Error(data) where the results cannot be written; both leave the file whole.
  void learn();

 private:
  using Clock = std::chrono::steady_clock;
  struct InProgress;  // a class in its lane

  bool fill_lanes();
  void start(const ClassTask& task, size_t lane);
  ClassResult begin(const ClassTask& task, const DecodedClass& images) const;
  void read_losses();
  void record(const std::vector<Lanes::Taken>& step, double seconds);
  void finish_lanes();
  void leave(size_t lane);
  void evaluate_earlier();
  void say_finished(const InProgress& c);
  void fail(const ClassTask& task, const Error& error, bool started);
  void snapshot(size_t lane);
  void save();
  void checkpoint_if_due();
  double class_steps_left() const;

  const RunSetup& setup_;
  RunState& state_;
  Progress& progress_;
  std::deque<ClassTask> queue_;
  std::vector<std::unique_ptr<InProgress>> classes_;  // by lane; null where the lane is free
  std::shared_ptr<const Others> others_;              // for an objective that shows them
  ClassEvaluation evaluation_;
  Lanes lanes_;
  Clock::time_point last_save_;
  bool unsaved_failure_ = false;
};

}  // namespace nad
