// The memory of learning on the device: the gates of every slot, what a step is fed with, what its kernels hand on.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/context.h"
#include "nad/gates/gate_vectors.h"
#include "nad/learn/learn_options.h"

namespace nad {

struct LearningState {
  struct Gate {
    int64_t channels = 0;                                                    // C
    float *logits = nullptr, *sigma = nullptr, *gradient = nullptr;          // [G, C]
    float* noise = nullptr;                                                  // [N, C], variational
    double *sum_square = nullptr, *sum_log = nullptr, *sum_ratio = nullptr;  // [G, C], paper and variational
    float *adam_mean = nullptr, *adam_square = nullptr;                      // [G, C], specific
    uint64_t* adam_steps = nullptr;                                          // [G], specific; equal in all gates
  };
  std::vector<Gate> gates;
  int32_t *labels = nullptr, *predicted = nullptr;  // [N]
  int32_t* valid = nullptr;                         // [G]
  int32_t *others = nullptr, *apart = nullptr;      // [G], specific: Groups::others, ClassifyArgs::apart_count
  uint64_t *keys = nullptr, *steps = nullptr;       // [G]
  float* hyper = nullptr;                           // [G, 3]: lr, beta, lambda
  float* full_beta = nullptr;                       // [G], specific: OperatingPointArgs
  double* means = nullptr;                          // [G, 2], specific: the same
  AugmentSample* samples = nullptr;                 // [N], or null where batches are pixels only
  float* byte_values = nullptr;                     // [3, 256], with samples
  size_t bytes = 0;

  // channels: of every gate. Uploads lr, beta, lambda and the byte values; no slot has images of other classes yet.
  LearningState(Backend& backend, const LearnOptions& options, const std::vector<int64_t>& channels);

 private:
  size_t carve(std::byte* base, const LearnOptions& options);
  Buffer memory_;
};

}  // namespace nad
