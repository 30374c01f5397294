// What happens to an image between decoding and the network: random crop and flip for learning, resize and centre
// crop for evaluation, normalisation for both. Follows torchvision's transforms on PIL images.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nad/images/images.h"
#include "nad/images/resize.h"

namespace nad {

// How a network's images are prepared. mean, stddev: per channel (R, G, B), for values in [0, 1]: (value - mean) /
// stddev. ImageNet's by default.
struct Preprocessing {
  std::array<float, 3> mean{0.485f, 0.456f, 0.406f};
  std::array<float, 3> stddev{0.229f, 0.224f, 0.225f};
  int resize_size = 0;  // evaluation: of the shorter side, pixels; 0: the input's size * 256 / 224
  Interpolation interpolation = Interpolation::bilinear;
};

// [3, 256]: the normalised value of every byte, per channel.
std::vector<float> byte_values(const Preprocessing& preprocessing);

// RandomResizedCrop and RandomHorizontalFlip, drawn: cut out `crop`, resize it to the input size, mirror it.
struct Augmentation {
  Box crop;
  bool flip = false;
};

// The key of one image's draw; `image` is its index among the class's decoded images.
uint64_t augmentation_key(uint64_t seed, std::string_view source_class, int64_t epoch, int64_t image);

// Area share in (0.08, 1.25), aspect ratio in (3/4, 4/3) uniform in its logarithm, ten tries to fit into the image,
// then the largest centre crop of an allowed ratio; flip with probability 1/2. A pure function of its arguments.
Augmentation draw_augmentation(uint64_t key, int width, int height);

// Images to network inputs of size x size. Keeps scratch memory: one per thread.
class Preprocessor {
 public:
  Preprocessor(int size, const Preprocessing& preprocessing);

  // Makes room for images up to width x height, so that none of them allocates.
  void reserve(int width, int height);

  // Network inputs are written as NHWC float32 [size, size, 3]. All throw Error(data) as Resizer::resize does.
  void augment(const Image& image, const Augmentation& augmentation, float* out);
  // Shorter side to resize_size, centre crop.
  void evaluate(const Image& image, float* out);
  // The pixels that evaluate() normalises: [size, size, 3].
  void evaluated_pixels(const Image& image, uint8_t* out);
  // Normalises pixels [size, size, 3] as they are, mirrored where asked for.
  void normalize(const uint8_t* rgb, bool flip, float* out) const;

 private:
  int size_, shorter_side_;
  std::vector<float> table_;  // byte_values()
  Resizer resizer_;
  std::vector<uint8_t> resized_;  // [size, size, 3]
};

// Evaluation of a single image: Preprocessor::evaluate without a preprocessor to keep.
void preprocess_eval(const Image& image, int size, const Preprocessing& preprocessing, float* out);

}  // namespace nad
