#include "nad/images/object_masks.h"

#include <filesystem>

#include "engine/error.h"
#include "nad/images/dataset.h"

namespace nad {

namespace fs = std::filesystem;

ObjectMasks::ObjectMasks(std::string folder) : folder_(std::move(folder)) {
  std::error_code ignored;
  if (!fs::is_directory(folder_, ignored)) {
    throw Error(ErrorKind::data, "no folder of masks " + folder_,
                "the mask of val/<class>/<image>.jpg is DIR/<class>/<image>.png");
  }
}

std::string ObjectMasks::where(const std::string& source_class) const {
  return (fs::path(folder_) / source_class).string();
}

std::map<std::string, std::string> ObjectMasks::of_class(const std::string& source_class) const {
  std::map<std::string, std::string> found;
  for (const std::string& name : image_files(where(source_class))) {
    found.emplace(image_stem(name), (fs::path(where(source_class)) / name).string());
  }
  return found;
}

std::string image_stem(const std::string& image_name) {
  const fs::path path(image_name);
  return path.extension() == ".gz" ? path.stem().stem().string() : path.stem().string();
}

std::vector<uint8_t> evaluated_mask(const Image& mask, int size, const Preprocessing& preprocessing) {
  std::vector<uint8_t> pixels(static_cast<size_t>(3) * size * size), object;
  Preprocessor(size, {.resize_size = preprocessing.resize_size}).evaluated_pixels(mask, pixels.data());
  for (size_t i = 0; i < pixels.size(); i += 3) object.push_back(pixels[i] > 127);
  return object;
}

}  // namespace nad
