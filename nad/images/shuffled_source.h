// Labels that say nothing: the training images of all classes are dealt to the classes anew, so that every class keeps
// its number of images but they are a random mix (docs/METHOD.md, 5a.6).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nad/images/dataset.h"

namespace nad {

// Another source whose split "train" is dealt anew among `classes`. The counter generator shuffles all their images by
// the seed; the first class in sorted order takes as many of the first as it has images, and so on. A class's images
// are in the order of their own classes, then of their names. Classes that are not among those, and other splits, are
// as they are there. The images are counted once, when the source is made.
class ShuffledSource : public ImageSource {
 public:
  // A class whose folder cannot be read has no images.
  ShuffledSource(std::unique_ptr<ImageSource> whole, std::vector<std::string> classes, uint64_t seed);
  bool has_split(const std::string& split) const override { return whole_->has_split(split); }
  std::vector<std::string> classes(const std::string& split) const override { return whole_->classes(split); }
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class,
                                 const std::vector<int64_t>& which) const override;
  int64_t count(const std::string& split, const std::string& source_class) const override;
  EndingCounts unread(const std::string& split, const std::string& source_class) const override {
    return whole_->unread(split, source_class);
  }
  std::string where(const std::string& split, const std::string& source_class) const override;

 private:
  struct Place {
    int32_t source_class = 0;  // of classes_
    int64_t image = 0;         // among those of its class
  };
  const std::vector<Place>* dealt(const std::string& split, const std::string& source_class) const;

  std::unique_ptr<ImageSource> whole_;
  std::vector<std::string> classes_;
  std::map<std::string, std::vector<Place>> dealt_;  // of each class, ascending
};

}  // namespace nad
