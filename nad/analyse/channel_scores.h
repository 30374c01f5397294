// Two cheap criteria by which the channels of a gate can be sorted for a class, without learning anything
// (docs/METHOD.md, section 5a.3).
#pragma once

#include <memory>

#include "nad/analyse/laboratory.h"

namespace nad {

class ChannelScores {
 public:
  explicit ChannelScores(const Laboratory& laboratory);

  struct Scores {                           // [gates][C], means over the images
    GateVectors activation;                 // mean of |r| over the pixels of the map
    GateVectors activation_times_gradient;  // |sum over pixels of r dz/dr|, z the logit of the class
  };
  // In the original network. All scores are 0 without an image.
  Scores of(const LabelledPixels& images, int64_t class_index);

 private:
  void add_activations(int64_t count, GateVectors& sums);
  void add_gradients(int64_t count, int64_t class_index, GateVectors& sums);

  Context& context_;
  Plan plan_;
};

}  // namespace nad
