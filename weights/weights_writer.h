// Writes a weights file (weights/FORMAT.md) of tensors that no checkpoint holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/tensor.h"
#include "weights/weights.h"

namespace nad {

// What marks weights as random.
struct RandomMark {
  uint64_t seed = 0;
  int64_t images = 0;  // training images that BatchNorm was measured on
};

// A file of the tensors, whole or not at all (weights/durable_file.h), with like's attributes (but for what says where
// its own tensors come from) and packed images, and the mark. Equal arguments give equal bytes. Throws Error(data),
// Error(memory).
void write_random_weights(const std::string& path, const WeightsFile& like,
                          const std::map<std::string, HostTensor>& tensors, const RandomMark& mark);

}  // namespace nad
