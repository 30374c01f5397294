#include "nad/analyse/laboratory.h"

#include <algorithm>

namespace nad {

Laboratory::Laboratory(LaboratoryParts parts) : parts_(std::move(parts)) {
  for (int64_t c = 0; c < num_classes(); c++) {
    if (image_count(c) > 0) image_classes_.push_back(c);
  }
}

bool Laboratory::has_images(int64_t class_index) const {
  return std::binary_search(image_classes_.begin(), image_classes_.end(), class_index);
}

int64_t Laboratory::image_count(int64_t class_index) const {
  const std::string& name = parts_.val_class[class_index];
  return name.empty() ? 0 : count_readable(*parts_.images, "val", name);
}

ImagePool Laboratory::pool(const std::string& split, const std::vector<std::string>& source_class,
                           int64_t count) const {
  return draw_image_pool(*parts_.images, split, source_class, {.images = count}, parts_.seed, parts_.workers,
                         parts_.report);
}

LabelledPixels Laboratory::drawn(const std::string& split, const std::vector<std::string>& source_class,
                                 int64_t count) const {
  return prepare(pool(split, source_class, count), parts_.input_size, parts_.preprocessing);
}

ImagePool Laboratory::decoded_images_of(int64_t class_index, int64_t count) const {
  std::vector<std::string> only(parts_.val_class.size());
  only[class_index] = parts_.val_class[class_index];
  return pool("val", only, count);
}

LabelledPixels Laboratory::images_of(int64_t class_index, int64_t count) const {
  return prepare(decoded_images_of(class_index, count), parts_.input_size, parts_.preprocessing);
}

LabelledPixels Laboratory::training_images_of(int64_t class_index, int64_t count) const {
  std::vector<std::string> only(parts_.val_class.size());
  if (class_index < static_cast<int64_t>(parts_.train_class.size()))
    only[class_index] = parts_.train_class[class_index];
  return drawn("train", only, count);
}

LabelledPixels Laboratory::images_of_all(int64_t count) const { return drawn("val", parts_.val_class, count); }

MaskAnswers& Laboratory::network() {
  if (!network_) network_.emplace(*parts_.context, parts_.network, parts_.samples);
  return *network_;
}

std::unique_ptr<GatedForward> Laboratory::forward(int64_t images, int64_t copies, int64_t rows) const {
  const ForwardOptions options{.images = images, .copies = copies, .rows = rows, .representations = true};
  return std::make_unique<GatedForward>(*parts_.context, parts_.network, options);
}

LabelledPixels others_than(const LabelledPixels& images, int64_t own) {
  LabelledPixels others;
  others.size = images.size;
  const int64_t pixels = images.size * images.size * 3;
  for (size_t i = 0; i < images.labels.size(); i++) {
    if (images.labels[i] == own) continue;
    others.labels.push_back(images.labels[i]);
    const auto from = images.pixels.begin() + static_cast<int64_t>(i) * pixels;
    others.pixels.insert(others.pixels.end(), from, from + pixels);
  }
  return others;
}

LabelledPixels joined(LabelledPixels first, const LabelledPixels& second) {
  first.labels.insert(first.labels.end(), second.labels.begin(), second.labels.end());
  first.pixels.insert(first.pixels.end(), second.pixels.begin(), second.pixels.end());
  return first;
}

}  // namespace nad
