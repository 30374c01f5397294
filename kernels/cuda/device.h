// What kernels are written against. Every .cu file of this folder is compiled twice: by nvcc, and, with NAD_HOST_CUDA
// defined, as plain C++ against tests/host_cuda, an execution model of the GPU that runs without one.
//
// Rules for a kernel that runs in both:
// - Start it with launch() (launch.h). __global__, __device__, __launch_bounds__, threadIdx, blockIdx, blockDim,
//   gridDim, __syncthreads (and _and, _or, _count), __syncwarp, __shfl_*_sync, __ballot_sync, __any_sync, __all_sync,
//   __reduce_*_sync, __ldg, math functions and bit casts are CUDA's own names. There is no __activemask.
// - Global memory is taken as Global<T> (data of T and their number), shared memory as Shared<T>. Both are plain
//   pointers on the device; the model checks every access: bounds, alignment, memory that nobody wrote, and for
//   shared memory also races. Plain pointers work too, but the model sees only writes near an allocation's ends.
// - Shared arrays: NAD_SHARED(float, tile, 32 * 33); or dynamic_shared<float>(byte_offset, count). No __shared__.
// - x[i] is one element; load<float4>(x, i), load_readonly<float4>(x, i), store(x, i, v) take sizeof(V) bytes from
//   element i on, in one instruction: the address must be a multiple of sizeof(V). i counts elements of T.
//   Write `const float v = x[i]`, never `auto v = x[i]`: in the model x[i] is a reference, read where it is used.
// - Atomics: atomic_add(x, i, v), atomic_max, atomic_min, atomic_exchange, atomic_cas, each returning the old value.
// - Launch whole warps where lanes talk to each other: a mask must name only lanes that exist and have not returned.
// - Every thread of a block meets every __syncthreads: no return before the last one.
// - Tensor cores and asynchronous copies: mma.h.
// - A cluster, a cooperative grid, __constant__ memory and textures are not part of this layer.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#if defined(NAD_HOST_CUDA)
#include "host_cuda/views.h"
#else
#include "kernels/cuda/views.h"
#endif

namespace nad::cuda {

constexpr unsigned full_warp = 0xffffffffu;
constexpr int warp_size = 32;

using bf16 = __nv_bfloat16;

// The thread's lane and warp in a one-dimensional block.
__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % warp_size; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / warp_size; }

// The item of a one-dimensional grid with one item per thread.
__device__ inline int64_t global_index() { return int64_t{blockIdx.x} * blockDim.x + threadIdx.x; }

// The sum over a warp, in a fixed order, in every lane. PRECOND: all 32 lanes call it.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int step = warp_size / 2; step > 0; step /= 2) value += __shfl_xor_sync(full_warp, value, step);
  return value;
}

template <class T>
__device__ inline T warp_max(T value) {
  for (int step = warp_size / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(full_warp, value, step);
    value = other > value ? other : value;
  }
  return value;
}

}  // namespace nad::cuda
