#include "kernels/cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "kernels/cuda/check.h"

namespace nad::cuda {

Staging::Staging(cudaStream_t compute) : compute_(compute) {
  NAD_CUDA_CHECK(cudaStreamCreateWithFlags(&copy_, cudaStreamNonBlocking));
  large_.reserve(most_large_slots);
}

Staging::~Staging() {
  for (Slot& slot : small_) {
    slot.host = nullptr;  // a piece of small_memory_
    release(slot);
  }
  for (Slot& slot : large_) release(slot);
  if (small_memory_) cudaFreeHost(small_memory_);
  if (copy_) cudaStreamDestroy(copy_);
}

void Staging::release(Slot& slot) {
  if (slot.arrived) cudaEventDestroy(slot.arrived);
  if (slot.done) cudaEventDestroy(slot.done);
  if (slot.device) cudaFree(slot.device);
  if (slot.host) cudaFreeHost(slot.host);
  slot = {};
}

bool Staging::busy(const Slot& slot) {
  if (!slot.used) return false;
  const cudaError_t status = cudaEventQuery(slot.done);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return true;
  }
  NAD_CUDA_CHECK(status);
  return false;
}

Staging::Slot Staging::make_slot(size_t bytes, bool device) {
  Slot slot;
  try {
    if (bytes) NAD_CUDA_CHECK(cudaMallocHost(reinterpret_cast<void**>(&slot.host), bytes));
    if (device) {
      NAD_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&slot.device), bytes));
      NAD_CUDA_CHECK(cudaEventCreateWithFlags(&slot.arrived, cudaEventDisableTiming));
    }
    NAD_CUDA_CHECK(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming));
  } catch (...) {
    release(slot);
    throw;
  }
  return slot;
}

Staging::Slot& Staging::next_large() {
  if (large_.empty()) large_.push_back(make_slot(large_bytes, true));
  next_large_ = (next_large_ + 1) % large_.size();
  if (busy(large_[next_large_]) && large_.size() < most_large_slots) {
    try {
      large_.push_back(make_slot(large_bytes, true));
      next_large_ = large_.size() - 1;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::memory) throw;  // another slot is a convenience: without it this one is waited for
    }
  }
  Slot& slot = large_[next_large_];
  if (slot.used) NAD_CUDA_CHECK(cudaEventSynchronize(slot.done));
  return slot;
}

void Staging::upload_large(void* to, const void* from, size_t bytes) {
  Slot& slot = next_large();
  std::memcpy(slot.host, from, bytes);
  NAD_CUDA_CHECK(cudaMemcpyAsync(slot.device, slot.host, bytes, cudaMemcpyHostToDevice, copy_));
  NAD_CUDA_CHECK(cudaEventRecord(slot.arrived, copy_));
  NAD_CUDA_CHECK(cudaStreamWaitEvent(compute_, slot.arrived, 0));
  NAD_CUDA_CHECK(cudaMemcpyAsync(to, slot.device, bytes, cudaMemcpyDeviceToDevice, compute_));
  NAD_CUDA_CHECK(cudaEventRecord(slot.done, compute_));
  slot.used = true;
}

void Staging::upload_small(void* to, const void* from, size_t bytes) {
  if (small_.empty()) {
    NAD_CUDA_CHECK(cudaMallocHost(reinterpret_cast<void**>(&small_memory_), small_bytes * small_slots));
    for (size_t i = 0; i < small_slots; ++i) {
      small_.push_back(make_slot(0, false));
      small_.back().host = small_memory_ + i * small_bytes;
    }
  }
  Slot& slot = small_[next_small_];
  next_small_ = (next_small_ + 1) % small_slots;
  if (slot.used) NAD_CUDA_CHECK(cudaEventSynchronize(slot.done));
  std::memcpy(slot.host, from, bytes);
  NAD_CUDA_CHECK(cudaMemcpyAsync(to, slot.host, bytes, cudaMemcpyHostToDevice, compute_));
  NAD_CUDA_CHECK(cudaEventRecord(slot.done, compute_));
  slot.used = true;
}

void Staging::upload(void* to, const void* from, size_t bytes) {
  auto* target = static_cast<std::byte*>(to);
  const auto* source = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    const size_t piece = std::min(bytes, large_bytes);
    piece <= small_bytes ? upload_small(target, source, piece) : upload_large(target, source, piece);
    target += piece;
    source += piece;
    bytes -= piece;
  }
}

}  // namespace nad::cuda
