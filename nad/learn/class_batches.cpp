#include "nad/learn/class_batches.h"

namespace nad {

ClassBatches::ClassBatches(Context& context, const Learner& learner, const DecodedClass& images,
                           LoaderOptions options, const Others* others)
    : class_(images),
      others_(others),
      labels_(static_cast<size_t>(options.batch), static_cast<int32_t>(images.index)) {
  const bool augments = !learner.options().byte_values.empty() && (!others || others->on_device);
  options.pixels = !augments || !DeviceImages::fit(context, images.images);
  options.others = others ? &others->images : nullptr;
  loader_ = std::make_unique<BatchLoader>(class_, options);
  if (!options.pixels) own_.emplace(context, images.images);
}

int ClassBatches::feed(Learner& learner, int64_t slot) {
  batch_ = &loader_->next();
  if (own_) draw_samples();
  return repeat(learner, slot);
}

void ClassBatches::draw_samples() {
  samples_.clear();
  other_samples_.clear();
  for (size_t i = 0; i < batch_->draws.size(); i++) {
    samples_.push_back(own_->sample(batch_->indices[i], batch_->draws[i]));
  }
  for (size_t i = 0; i < batch_->others.size(); i++) {
    other_samples_.push_back(others_->on_device->sample(batch_->others[i].image, batch_->others_augment[i]));
  }
}

int ClassBatches::repeat(Learner& learner, int64_t slot) const {
  const auto step = static_cast<uint64_t>(batch_->step);
  if (own_) {
    learner.set_batch(slot, samples_, labels_.data(), step);
    if (others_) learner.set_others(slot, other_samples_);
  } else {
    learner.set_batch(slot, batch_->images, labels_.data(), batch_->valid, step);
    if (others_) learner.set_others(slot, batch_->other_images, static_cast<int64_t>(batch_->others.size()));
  }
  return batch_->valid;
}

}  // namespace nad
