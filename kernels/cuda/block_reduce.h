// Sums and maxima over a block of whole warps, in a fixed order, in every thread.
#pragma once

#include "kernels/cuda/device.h"

namespace nad::cuda {

// One value per warp in shared memory. PRECOND: all threads of a one-dimensional block of 32 * Warps threads call it;
// `warps` has Warps elements that nothing else uses until the next __syncthreads after the call.
template <int Warps, class T>
__device__ inline T block_sum(T value, const Shared<T>& warps) {
  value = warp_sum(value);
  __syncthreads();  // the values of an earlier call have been read
  if (lane_index() == 0) warps[warp_index()] = value;
  __syncthreads();
  T sum = warps[0];
  for (int w = 1; w < Warps; ++w) sum += warps[w];
  return sum;
}

template <int Warps, class T>
__device__ inline T block_max(T value, const Shared<T>& warps) {
  value = warp_max(value);
  __syncthreads();
  if (lane_index() == 0) warps[warp_index()] = value;
  __syncthreads();
  T best = warps[0];
  for (int w = 1; w < Warps; ++w) {
    const T other = warps[w];
    best = other > best ? other : best;
  }
  return best;
}

}  // namespace nad::cuda
