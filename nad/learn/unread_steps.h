// Steps whose losses are still on the device. Fetching a loss waits for the device, so a run on a GPU takes as many
// steps as its progress lines are apart and then fetches all their losses at once (the history: kLossHistory).
#pragma once

#include <chrono>
#include <cstdint>

#include "nad/learn/learner.h"

namespace nad {

class UnreadSteps {
 public:
  // One step of the learner. PRECOND: less than kLossHistory are unread.
  void step(Learner& learner) {
    learner.step();
    ++count_;
  }
  // Before the batches of a step are made: their time belongs to it.
  void begin() {
    if (count_ == 0) since_ = Clock::now();
  }
  int64_t count() const { return count_; }

  // Waits for the device, then calls read(back, seconds) for every unread step, the oldest first: it lies `back`
  // steps before the last and took `seconds` on average.
  template <class Read>
  void take(Learner& learner, Read&& read) {
    if (count_ == 0) return;
    learner.wait();
    const double seconds = std::chrono::duration<double>(Clock::now() - since_).count() / static_cast<double>(count_);
    for (int64_t back = count_ - 1; back >= 0; --back) read(back, seconds);
    count_ = 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  int64_t count_ = 0;
  Clock::time_point since_;
};

}  // namespace nad
