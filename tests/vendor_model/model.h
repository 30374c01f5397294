// What the stand-ins for cuDNN and cuBLAS share. They are shared libraries with the functions that
// kernels/cuda/cudnn.h and cublas.h declare, computed by plain loops on the host, in
// order with the model's streams (tests/host_cuda), whose functions they find in the
// program that opens them. NAD_VENDOR_MODEL in the environment makes them misbehave.
#pragma once

#include <cuda_runtime.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <vector>

#include "host_cuda/memory.h"

namespace vendor_model {

constexpr int success = 0, bad_parameter = 2000, not_supported = 3000, failed = 5000;

inline bool misbehaves(const char* how) {
  const char* value = std::getenv("NAD_VENDOR_MODEL");
  return value && std::strcmp(value, how) == 0;
}

// Enqueues the work; a captured graph may run it again at any time, so it is kept for good.
inline int enqueue(cudaStream_t stream, std::function<void()> work) {
  static std::deque<std::function<void()>> kept;
  kept.push_back(std::move(work));
  const auto run = [](void* p) { (*static_cast<std::function<void()>*>(p))(); };
  return cudaLaunchHostFunc(stream, run, &kept.back()) == cudaSuccess ? success : failed;
}

// True where the bytes lie in one live allocation of the device.
inline bool is_device_memory(const void* p, size_t bytes) {
  const host_cuda::Allocation* a = host_cuda::find_allocation(p);
  if (!a || !a->device() || !a->live()) return false;
  return static_cast<size_t>(static_cast<const std::byte*>(p) - a->data()) + bytes <= a->size();
}

// Numbers as the library's type codes say: 0 float, `bf16` otherwise.
inline float read(const void* p, int type, size_t i) {
  if (type == 0) return static_cast<const float*>(p)[i];
  const uint32_t bits = uint32_t{static_cast<const uint16_t*>(p)[i]} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline void write(void* p, int type, size_t i, float value) {
  if (type == 0) {
    static_cast<float*>(p)[i] = value;
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits += 0x7fff + (bits >> 16 & 1);  // to the nearest, ties to even; no NaN occurs
  static_cast<uint16_t*>(p)[i] = static_cast<uint16_t>(bits >> 16);
}
inline size_t size_of(int type) { return type == 0 ? 4 : 2; }

}  // namespace vendor_model
