// The weights file of a frozen network: parameters by their PyTorch names, what the architecture looks like, the
// classes, the normalisation of its input and, optionally, sample images. weights/FORMAT.md describes the file,
// weights/convert.py makes one from a PyTorch checkpoint.
//
// The loader is strict. Every failure is one Error(data) whose text is one line that names the file.
// A WeightsFile is used by one thread at a time: the HDF5 library is not thread-safe everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/attributes.h"
#include "engine/tensor.h"
#include "weights/encoded_image.h"

namespace nad {

class WeightsFile {
 public:
  // Opens the file, reads its attributes and the names and shapes of its tensors; values are read later.
  // Throws Error(data): no such file, a directory, not HDF5, cut short, an attribute missing or contradictory.
  // what: what the file is called in messages, where the weights are part of another kind of file.
  explicit WeightsFile(const std::string& path, const std::string& what = "weights file");
  ~WeightsFile();
  WeightsFile(WeightsFile&&) noexcept;
  WeightsFile& operator=(WeightsFile&&) noexcept;

  const std::string& path() const;
  const std::string& arch() const;           // "vgg16", "resnet50", "densenet121", "darts"; not checked here
  const Attributes& attributes() const;      // all root attributes, those with accessors here included
  int64_t num_classes() const;               // >= 1
  int64_t input_size() const;                // pixels of a side, 224 where the file does not say
  std::array<float, 3> mean() const;         // of the input in [0, 1], red green blue; ImageNet's by default
  std::array<float, 3> stddev() const;       // > 0
  int64_t resize_size() const;               // pixels of an image's shorter side before the centre is cut out
  const std::string& interpolation() const;  // "bilinear" or "bicubic"
  const std::vector<std::string>& class_ids() const;    // num_classes unique ids, or empty
  const std::vector<std::string>& class_names() const;  // num_classes names for people, or empty
  std::optional<uint64_t> random_seed() const;          // of weights that were never trained (nad_random)

  // Every stored tensor with its shape, sorted by name.
  std::vector<TensorSpec> tensors() const;

  // One tensor as float32. Throws Error(data) where it is missing, has another shape or dtype (float32 and
  // float16 are read), or holds a value that is not finite.
  HostTensor read(const std::string& name, const std::vector<int64_t>& expected_shape) const;

  // All of them: the file must hold exactly these names and shapes. Throws one Error(data) with the number and
  // the first few names of the missing, unexpected, wrong-shaped, wrong-dtype, unreadable and non-finite ones.
  std::map<std::string, HostTensor> read_all(const std::vector<TensorSpec>& expected) const;

  // Packed images, read on demand. split: "train" or "val". Classes and images are sorted by name; a class or split
  // that the file does not have gives an empty list.
  bool has_images() const;
  std::vector<std::string> image_classes(const std::string& split) const;
  std::vector<EncodedImage> images(const std::string& split, const std::string& class_id) const;
  int64_t image_count(const std::string& split, const std::string& class_id) const;  // without reading them

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nad
