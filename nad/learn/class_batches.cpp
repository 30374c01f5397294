#include "nad/learn/class_batches.h"

#include <algorithm>

namespace nad {

ClassBatches::ClassBatches(Context& context, const Learner& learner, const DecodedClass& images,
                           LoaderOptions options)
    : class_(images), labels_(static_cast<size_t>(options.batch), static_cast<int32_t>(images.index)) {
  options.pixels = learner.options().byte_values.empty() || !fits(context);
  loader_ = std::make_unique<BatchLoader>(class_, options);
  if (!options.pixels) upload(context);
}

bool ClassBatches::fits(Context& context) const {
  size_t bytes = 0;
  for (const Image& image : class_.images) {
    if (std::max(image.width, image.height) > kMaxAugmentSide) return false;
    bytes += image.rgb.size();
  }
  return bytes <= context.backend().free_bytes() / 4;
}

void ClassBatches::upload(Context& context) {
  size_t bytes = 0;
  for (const Image& image : class_.images) bytes += image.rgb.size();
  memory_ = context.backend().allocate(bytes);
  std::byte* to = memory_.get();
  for (const Image& image : class_.images) {
    context.backend().upload(to, image.rgb.data(), image.rgb.size());
    images_.push_back(reinterpret_cast<const uint8_t*>(to));
    to += image.rgb.size();
  }
}

int ClassBatches::feed(Learner& learner, int64_t slot) {
  batch_ = &loader_->next();
  samples_.clear();
  for (size_t i = 0; i < batch_->draws.size(); i++) {
    const auto index = static_cast<size_t>(batch_->indices[i]);
    const auto& [crop, flip] = batch_->draws[i];
    samples_.push_back({images_[index], class_.images[index].width, class_.images[index].height, crop.left, crop.top,
                        crop.width, crop.height, flip ? 1 : 0});
  }
  return repeat(learner, slot);
}

int ClassBatches::repeat(Learner& learner, int64_t slot) const {
  const auto step = static_cast<uint64_t>(batch_->step);
  if (memory_) {
    learner.set_batch(slot, samples_, labels_.data(), step);
  } else {
    learner.set_batch(slot, batch_->images, labels_.data(), batch_->valid, step);
  }
  return batch_->valid;
}

}  // namespace nad
