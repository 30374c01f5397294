// The kernels behind measure_roofs (bench/device_timer.h): a copy, and multiply-adds on registers alone.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "engine/context.h"

namespace nad::bench {

inline constexpr int kPeakThreads = 256;  // per block
inline constexpr int kPeakOperands = 8;   // per thread, 4 bytes each

// to[i] = from[i], i < count. PRECOND: count is a multiple of 4, both are 16-byte aligned.
void copy_floats(const float* from, float* to, int64_t count, cudaStream_t stream);

// Starts blocks * kPeakThreads threads that do `rounds` rounds of multiply-adds of a precision and leave the sum of
// their accumulators in out[thread]: with operands that are all 1, the number of multiply-adds. Returns the number of
// all threads together. operands: [kPeakThreads * kPeakOperands], the bits of floats or of pairs of bf16.
int64_t multiply_adds(Precision precision, int64_t blocks, int rounds, const uint32_t* operands, float* out,
                      cudaStream_t stream);

}  // namespace nad::bench
