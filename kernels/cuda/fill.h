// Fills device memory with one value: the row of ones of a gate table, NaN before a test.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace nad::cuda {

// data[0 .. count) = value, on the stream. data: device memory
// of `count` floats, any alignment. Throws Error(device).
void fill(float* data, int64_t count, float value, cudaStream_t stream);

}  // namespace nad::cuda
