// A convolution of one sample on one thread: dense NHWC in, dense NHWC out, no prologue, no gate. The inner part of
// by_sample.cpp, which brings every case into this form. One sample at a time, so that a sample's bytes cannot
// depend on the batch or on the threads.
#pragma once

#include <memory>
#include <vector>

#include "engine/context.h"

namespace nad::cpu {

struct SampleProblem {
  Conv2dParams params;  // offset 0: the caller has cropped the input or lessened the padding
  Shape x, y;           // of the forward convolution, n = 1
  Param weight;         // [O, I/groups, KH, KW]
  Param scale;          // [O] or null: multiplies the weights
  Param shift;          // [O] or null: forward only
  bool relu = false;    // forward only
  bool bf16 = false;    // the input (x, backward dz) and the weights are bf16; the output is always fp32
  bool backward = false;
};

class SampleConvolution {
 public:
  virtual ~SampleConvolution() = default;
  virtual size_t scratch_bytes() const = 0;  // per thread
  // thread < max_threads() at planning; concurrent calls have different threads and scratch (aligned to 64 bytes).
  virtual void run(int thread, const void* in, float* out, std::byte* scratch) = 0;
};

// Both pack the weights at once. Throw Error(device) where they do not cover a case.
#ifdef NAD_ONEDNN
std::unique_ptr<SampleConvolution> make_onednn_convolution(Planner& planner, const SampleProblem& problem);
#endif
// Vectorised direct convolution, any instruction set, fp32 only: for builds without oneDNN.
std::unique_ptr<SampleConvolution> make_plain_convolution(Planner& planner, const SampleProblem& problem);

// oneDNN where the build has it.
std::unique_ptr<SampleConvolution> make_sample_convolution(Planner& planner, const SampleProblem& problem);
bool sample_convolution_has_bf16();  // in this build and on this processor

}  // namespace nad::cpu
