#include "nad/learn/lanes.h"

#include <algorithm>

namespace nad {

Lanes::Lanes(Context& context, Learner& learner)
    : context_(context), learner_(learner), lanes_(static_cast<size_t>(learner.options().slots)) {}

void Lanes::start(size_t lane, Entry entry) {
  learner_.assign(static_cast<int64_t>(lane), entry.logits, entry.sigma, entry.key, entry.moments);
  Lane& l = lanes_[lane];
  l.images = std::move(entry.images);
  l.others = std::move(entry.others);
  l.batches = std::make_unique<ClassBatches>(context_, learner_, *l.images, entry.batches, l.others.get());
  l.steps = entry.batches.steps;
  l.left = l.steps - entry.batches.first_step;
  l.read_every = entry.read_every;
}

void Lanes::clear(size_t lane) {
  learner_.release(static_cast<int64_t>(lane));
  lanes_[lane].batches.reset();  // first: its threads may be reading the images
  lanes_[lane] = Lane();
}

bool Lanes::step() {
  if (unread_.empty()) since_ = Clock::now();  // the time to make batches belongs to the step
  std::vector<int> fed(lanes_.size(), 0);
  bool any = false;
  ends_ = false;
  interval_ = kLossHistory;
  for (size_t lane = 0; lane < lanes_.size(); lane++) {
    Lane& l = lanes_[lane];
    if (!l.batches || l.left == 0) continue;
    learner_.set_pace(static_cast<int64_t>(lane), l.steps - l.left, l.steps);
    fed[lane] = l.batches->feed(learner_, static_cast<int64_t>(lane));
    any = true;
    l.left--;
    ends_ = ends_ || l.left == 0;
    interval_ = std::min(interval_, l.read_every);
  }
  if (!any) return false;
  learner_.step();
  unread_.push_back(std::move(fed));
  return true;
}

void Lanes::read(const Reader& reader) {
  if (unread_.empty()) return;
  learner_.wait();
  const double seconds =
      std::chrono::duration<double>(Clock::now() - since_).count() / static_cast<double>(unread_.size());
  while (!unread_.empty()) {
    const std::vector<int> fed = std::move(unread_.front());
    unread_.pop_front();
    const auto back = static_cast<int64_t>(unread_.size());  // steps taken since
    std::vector<Taken> taken;
    for (size_t lane = 0; lane < lanes_.size(); lane++) {
      if (fed[lane] == 0 || !busy(lane)) continue;
      taken.push_back({.lane = lane, .images = fed[lane], .loss = {}, .failure = {}});
      try {
        taken.back().loss = learner_.loss(static_cast<int64_t>(lane), back);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::not_finite) throw;
        taken.back().failure = e;
      }
    }
    reader(taken, seconds);
  }
}

}  // namespace nad
