// The batches of one class on their way into a slot of the learner. Where the backend augments, the class's decoded
// images are uploaded once and a step gets draws; elsewhere worker threads prepare pixels. Same bytes either way.
#pragma once

#include <memory>
#include <vector>

#include "engine/context.h"
#include "nad/images/loader.h"
#include "nad/learn/learner.h"

namespace nad {

class ClassBatches {
 public:
  // The label of every image is images.index. The images must outlive the object. Pixels are
  // prepared by the host also where an image has more than kMaxAugmentSide a side, or the
  // images take more than a quarter of the backend's free memory. Throws as BatchLoader does.
  ClassBatches(Context& context, const Learner& learner, const DecodedClass& images, LoaderOptions options);

  // Puts the next step's batch into the slot; returns how many images it has.
  int feed(Learner& learner, int64_t slot);
  // The batch of the last feed() once more.
  int repeat(Learner& learner, int64_t slot) const;
  bool on_device() const { return memory_ != nullptr; }

 private:
  bool fits(Context& context) const;
  void upload(Context& context);

  const DecodedClass& class_;
  std::vector<int32_t> labels_;         // [batch]
  Buffer memory_;                       // the images, one after the other; null: pixels
  std::vector<const uint8_t*> images_;  // of each in memory_
  std::unique_ptr<BatchLoader> loader_;
  const Batch* batch_ = nullptr;        // the last one
  std::vector<AugmentSample> samples_;  // of it
};

}  // namespace nad
