// How the samples of a batch and the rows of a gate table belong together. Row 0 is the original network: its gates
// are all 1. The ops of gate learning (kernels/learning_ops.h) write and read the rows behind it in this order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/tensor.h"

namespace nad {

inline constexpr int32_t kOriginalRow = 0;

// The batch of a step that learns: the images of all classes, class after class, as originals; then the same gated,
// each under its class's row or, where gates are noisy, under a row of its own.
struct LearningRows {
  int64_t classes = 1;         // G
  int64_t images_a_class = 1;  // B, those of other classes that it is shown included
  bool row_a_sample = false;   // else a row a class

  int64_t images() const { return classes * images_a_class; }                            // N
  int64_t rows() const { return 1 + (row_a_sample ? images() : classes); }               // of every table
  Tensor originals(const Tensor& batch) const { return batch.samples(0, images()); }     // [2N, ...] to [N, ...]
  Tensor gated(const Tensor& batch) const { return batch.samples(images(), images()); }  // the same
  std::vector<int32_t> row_of_sample() const;                                            // [2N]
};

// The batch of a forward pass: `images` images in so many copies, copy after copy, and the row of each copy.
std::vector<int32_t> rows_of_copies(int64_t images, std::span<const int32_t> row_of_copy);  // [copies * images]

}  // namespace nad
