// The batches of one class on their way into a slot of the learner. Where the backend augments, the class's decoded
// images are uploaded once and a step gets draws; elsewhere the loader prepares pixels. Same bytes either way.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/context.h"
#include "nad/images/loader.h"
#include "nad/learn/device_images.h"
#include "nad/learn/learner.h"

namespace nad {

// Images of other classes that all classes of a run share (objective `specific`).
struct Others {
  OtherImages images;
  std::optional<DeviceImages> on_device;  // where the backend augments and has room for them
};

class ClassBatches {
 public:
  // The label of every image is images.index. others: for an objective that shows them. Both must outlive the object.
  // Pixels are prepared by the host also where the backend cannot take the class's images, or did not take the others
  // (DeviceImages::fit). Throws as BatchLoader does.
  ClassBatches(Context& context, const Learner& learner, const DecodedClass& images, LoaderOptions options,
               const Others* others = nullptr);

  // Puts the next step's batch into the slot; returns how many images of the class it has.
  int feed(Learner& learner, int64_t slot);
  // The batch of the last feed() once more.
  int repeat(Learner& learner, int64_t slot) const;
  bool on_device() const { return own_.has_value(); }

 private:
  void draw_samples();

  const DecodedClass& class_;
  const Others* others_;
  std::vector<int32_t> labels_;      // [batch]
  std::optional<DeviceImages> own_;  // empty: pixels
  std::unique_ptr<BatchLoader> loader_;
  const Batch* batch_ = nullptr;                        // the last one
  std::vector<AugmentSample> samples_, other_samples_;  // of it
};

}  // namespace nad
