#include "nad/learn/device_images.h"

#include <algorithm>

#include "nad/learn/learn_options.h"

namespace nad {
namespace {

size_t bytes_of(const std::vector<Image>& images) {
  size_t bytes = 0;
  for (const Image& image : images) bytes += image.rgb.size();
  return bytes;
}

}  // namespace

bool DeviceImages::fit(Context& context, const std::vector<Image>& images) {
  const bool small = std::all_of(images.begin(), images.end(), [](const Image& image) {
    return std::max(image.width, image.height) <= kMaxAugmentSide;
  });
  return small && bytes_of(images) <= context.backend().free_bytes() / 4;
}

DeviceImages::DeviceImages(Context& context, const std::vector<Image>& images)
    : memory_(context.backend().allocate(bytes_of(images))) {
  std::byte* to = memory_.get();
  for (const Image& image : images) {
    context.backend().upload(to, image.rgb.data(), image.rgb.size());
    AugmentSample whole;
    whole.image = reinterpret_cast<const uint8_t*>(to);
    whole.width = image.width;
    whole.height = image.height;
    images_.push_back(whole);
    to += image.rgb.size();
  }
}

AugmentSample DeviceImages::sample(int index, const Augmentation& augmentation) const {
  AugmentSample s = images_[static_cast<size_t>(index)];
  s.left = augmentation.crop.left;
  s.top = augmentation.crop.top;
  s.crop_width = augmentation.crop.width;
  s.crop_height = augmentation.crop.height;
  s.flip = augmentation.flip ? 1 : 0;
  return s;
}

}  // namespace nad
