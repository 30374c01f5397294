// Classes that are learnt side by side. A lane is a slot of the learner at work: the class's images, the batches made
// of them, and the steps whose losses are still on the device. Fetching a loss waits for the device, so on a GPU as
// many steps are taken as progress lines are apart, and then all their losses are read at once.
//
//   Lanes lanes(context, learner);
//   lanes.start(0, {images, batches, logits, sigma, key, read_every});
//   while (lanes.step()) {
//     if (lanes.due()) lanes.read([&](const std::vector<Lanes::Taken>& step, double seconds) { ... });
//   }
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "nad/learn/class_batches.h"

namespace nad {

class Lanes {
 public:
  // What a class brings along.
  struct Entry {
    std::shared_ptr<const DecodedClass> images;
    std::shared_ptr<const Others> others = nullptr;  // for an objective that shows them
    LoaderOptions batches;                           // of the steps first_step to steps - 1
    GateVectors logits, sigma;                       // to start from, as for Learner::assign()
    Moments moments = {};
    uint64_t key = 0;        // what its noise is drawn from
    int64_t read_every = 1;  // steps after which its losses are wanted, up to kLossHistory
  };
  // A step of a class whose loss has been read.
  struct Taken {
    size_t lane = 0;
    int images = 0;  // of its batch
    StepLoss loss;
    std::optional<Error> failure;  // the loss is not finite
  };
  // seconds: of the step, on average over those that are read together.
  using Reader = std::function<void(const std::vector<Taken>& step, double seconds)>;

  // As many lanes as the learner has slots. Both must outlive the object.
  Lanes(Context& context, Learner& learner);

  size_t size() const { return lanes_.size(); }
  // PRECOND: the lane is free, and no losses are unread.
  void start(size_t lane, Entry entry);
  void clear(size_t lane);  // the class leaves; the learner's slot idles
  bool busy(size_t lane) const { return lanes_[lane].batches != nullptr; }
  bool learnt(size_t lane) const { return busy(lane) && lanes_[lane].left == 0; }  // its last step is taken

  // One step of every class that has steps left; false where none has. PRECOND: read() where due() said so.
  bool step();
  // Whether it is time to read: a class took its last step, or as many as it wants to be read together.
  bool due() const { return !unread_.empty() && (ends_ || unread_.size() >= static_cast<size_t>(interval_)); }
  // Waits for the device and hands over every unread step, the oldest first: those of the lanes that took part in it.
  // The reader may clear lanes; their later steps are left out.
  void read(const Reader& reader);

 private:
  using Clock = std::chrono::steady_clock;
  struct Lane {
    std::shared_ptr<const DecodedClass> images;  // these two outlive the batches
    std::shared_ptr<const Others> others;
    std::unique_ptr<ClassBatches> batches;  // null: the lane is free
    int64_t steps = 0, left = 0;            // of the class, and those to take
    int64_t read_every = 1;
  };

  Context& context_;
  Learner& learner_;
  std::vector<Lane> lanes_;
  std::deque<std::vector<int>> unread_;  // per step and lane the images of the batch, 0 where the lane idled
  Clock::time_point since_;              // the first unread step
  bool ends_ = false;                    // of the last step: a class took its last
  int64_t interval_ = 1;                 // and the least of read_every
};

}  // namespace nad
