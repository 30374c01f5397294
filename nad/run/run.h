// Learning the classes of a run: each takes a slot of the learner, and when it is done the next one takes its place,
// so that classes with different numbers of steps share steps without waiting for each other. What a class learns
// does not depend on its neighbours, nor on interruptions.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nad/images/loader.h"
#include "nad/learn/learner.h"
#include "nad/learn/unread_steps.h"
#include "nad/run/progress.h"
#include "nad/run/run_setup.h"

namespace nad {

class Run {
 public:
  // Classes that setup.results holds as finished are left alone, those in progress go on. All must outlive the run.
  Run(RunSetup& setup, Learner& learner, Progress& progress);
  ~Run();

  // Learns, evaluates and saves. Afterwards setup.results has every class; a class that failed (no images, a loss
  // that is not finite) is reported and recorded there, and the others go on. Throws Error(interrupted) after a stop
  // signal and Error(data) where the results cannot be written; both leave the file whole.
  void learn();

  // Puts the first class that has images into the learner, takes a step and times the kernels of `repeats` more:
  // the medians. Writes nothing.
  std::vector<Learner::Timing> profile(int repeats);

 private:
  using Clock = std::chrono::steady_clock;
  struct Work;        // a class in a slot
  struct Stopped {};  // thrown where a stop signal is noticed

  bool fill_slots();
  std::unique_ptr<Work> start(const ClassTask& task, size_t slot);
  void step();
  void take_losses();
  void take_losses_of_step(int64_t back, double seconds);
  void finish_slots();
  void evaluate(const ClassTask& task, ClassResult& result);
  void evaluate_earlier();
  void say_finished(const Work& work);
  void fail(const ClassTask& task, const Error& error, bool started);
  void snapshot(size_t slot);
  void save();
  void checkpoint_if_due();
  void stop_if_asked() const;
  double class_steps_left() const;

  RunSetup& setup_;
  Learner& learner_;
  Progress& progress_;
  std::deque<ClassTask> queue_;
  std::vector<std::unique_ptr<Work>> slots_;
  UnreadSteps unread_;
  Clock::time_point last_save_;
  bool unsaved_failure_ = false;
};

bool all_finished(const RunSetup& setup);  // nothing is left to learn or to evaluate

// How many of the classes of this run failed, and 0, 3 (no images, ...) or 5 (a loss that is not finite).
struct Failures {
  int64_t count = 0;
  int exit_code = 0;
};
Failures failures(const RunSetup& setup);

}  // namespace nad
