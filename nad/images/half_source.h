// --half: learning from one half of a class's training images, so that a second run can learn the class again from
// images that the first has never seen (docs/METHOD.md section 3).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nad/images/dataset.h"

namespace nad {

enum class Half : uint8_t { all, first, second };

// The places of a half's images among the `count` images of a class, ascending. The counter generator shuffles the
// places by the class's name alone, whatever the seed of the run; the first half is the first (count + 1) / 2 of them.
std::vector<int64_t> half_of_images(const std::string& source_class, int64_t count, Half half);

// Another source whose split "train" holds one half of every class's images. Other splits are as they are there.
class HalfSource : public ImageSource {
 public:
  HalfSource(std::unique_ptr<ImageSource> whole, Half half) : whole_(std::move(whole)), half_(half) {}
  bool has_split(const std::string& split) const override { return whole_->has_split(split); }
  std::vector<std::string> classes(const std::string& split) const override { return whole_->classes(split); }
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class,
                                 const std::vector<int64_t>& which) const override;
  int64_t count(const std::string& split, const std::string& source_class) const override;
  EndingCounts unread(const std::string& split, const std::string& source_class) const override {
    return whole_->unread(split, source_class);
  }
  std::string where(const std::string& split, const std::string& source_class) const override {
    const bool halved = split == "train" && half_ != Half::all;
    return whole_->where(split, source_class) + (halved ? " (one half of it)" : "");
  }

 private:
  // Places in the whole source.
  std::vector<int64_t> kept(const std::string& split, const std::string& source_class) const;

  std::unique_ptr<ImageSource> whole_;
  Half half_;
};

}  // namespace nad
