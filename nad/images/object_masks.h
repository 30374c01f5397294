// Where in an image its object is: grey pictures beside a collection of images, white on the object.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nad/images/augment.h"

namespace nad {

// DIR/<class>/<stem>.*: the mask of the class's image whose file name has this stem, a picture as FolderSource lists them.
class ObjectMasks {
 public:
  // Throws Error(data) where the folder does not exist.
  explicit ObjectMasks(std::string folder);

  // For messages: where a class's masks lie.
  std::string where(const std::string& source_class) const;
  // The path of each stem; where several files have one stem, the first of them by name. Throws Error(data) where the
  // folder cannot be read.
  std::map<std::string, std::string> of_class(const std::string& source_class) const;

 private:
  std::string folder_;
};

// "0007" of "DIR/val/car/0007.png".
std::string image_stem(const std::string& image_name);

// The object as a network of this input size sees the image: resized and cropped as Preprocessor::evaluate does, but
// bilinearly, and then 1 where the value is above 127 (of a coloured picture: the red one), else 0. [size, size]
std::vector<uint8_t> evaluated_mask(const Image& mask, int size, const Preprocessing& preprocessing = {});

}  // namespace nad
