// The network itself, with its validation images: what analyses run beyond what the results file holds.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nad/analyse/answers.h"
#include "nad/analyse/mask_answers.h"
#include "nad/images/dataset.h"
#include "nad/images/image_pool.h"
#include "nad/images/object_masks.h"

namespace nad {

// Sources must outlive the laboratory.
struct LaboratoryParts {
  Context* context = nullptr;
  Tape network;                         // of any batch size
  const ImageSource* images = nullptr;  // with a val split
  std::string images_id;                // tells one collection from another
  std::vector<std::string> val_class;   // [classes of the network], the source's name of each, or ""
  std::vector<std::string> train_class;
  const ObjectMasks* masks = nullptr;  // of the objects in the val images, or null
  std::string masks_id;                // tells one collection of them from another
  int64_t input_size = 0;
  Preprocessing preprocessing;
  uint64_t seed = 0;                               // of the draws of images
  int64_t samples = 32;                            // of a pass
  int workers = 1;                                 // threads that decode
  std::function<void(const std::string&)> report;  // one line a broken image
};

class Laboratory {
 public:
  explicit Laboratory(LaboratoryParts parts);

  const LaboratoryParts& parts() const { return parts_; }
  int64_t num_classes() const { return static_cast<int64_t>(parts_.val_class.size()); }
  const std::vector<int64_t>& image_classes() const { return image_classes_; }  // that have val images, growing
  bool has_images(int64_t class_index) const;
  int64_t image_count(int64_t class_index) const;  // val images that the source lists

  // At most `count` val images of a class, drawn by the counter generator: a smaller count gives some of a larger's.
  LabelledPixels images_of(int64_t class_index, int64_t count) const;
  // The same images as they were decoded, with their names.
  ImagePool decoded_images_of(int64_t class_index, int64_t count) const;
  // The same of its training images; none where there are none.
  LabelledPixels training_images_of(int64_t class_index, int64_t count) const;
  // `count` val images of all classes, as evenly as they have some.
  LabelledPixels images_of_all(int64_t count) const;
  // The network, for any masks; made when it is first asked for.
  MaskAnswers& network();
  // A forward pass that keeps representations; the caller's alone.
  std::unique_ptr<GatedForward> forward(int64_t images, int64_t copies, int64_t rows) const;

 private:
  ImagePool pool(const std::string& split, const std::vector<std::string>& source_class, int64_t count) const;
  LabelledPixels drawn(const std::string& split, const std::vector<std::string>& source_class, int64_t count) const;

  LaboratoryParts parts_;
  std::vector<int64_t> image_classes_;
  std::optional<MaskAnswers> network_;
};

// Those of `images` that are not of class `own`.
LabelledPixels others_than(const LabelledPixels& images, int64_t own);
// Both, the second behind the first.
LabelledPixels joined(LabelledPixels first, const LabelledPixels& second);

}  // namespace nad
