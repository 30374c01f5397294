// Memory and copies.
#include <cstring>

#include "device.h"

using namespace host_cuda;

namespace {

// The allocation that holds all of the range, or null where none of it is the model's memory.
Allocation* owner(const void* p, size_t bytes, const char* what) {
  Allocation* allocation = device().find(p);
  if (!allocation) return nullptr;
  const auto offset = static_cast<size_t>(static_cast<const std::byte*>(p) - allocation->data());
  if (bytes > allocation->size() - offset) {
    refuse(cudaErrorInvalidValue, std::string(what) + " of " + std::to_string(bytes) + " bytes from byte " +
                                      std::to_string(offset) + " on does not fit in " + allocation->name());
  }
  return allocation;
}

void check_ends(const Allocation* to, const Allocation* from, cudaMemcpyKind kind) {
  const bool to_device = to && to->device(), from_device = from && from->device();
  const bool ok = kind == cudaMemcpyDefault || (kind == cudaMemcpyHostToDevice && to_device && !from_device) ||
                  (kind == cudaMemcpyDeviceToHost && !to_device && from_device) ||
                  (kind == cudaMemcpyDeviceToDevice && to_device && from_device) ||
                  (kind == cudaMemcpyHostToHost && !to_device && !from_device);
  if (!ok) {
    refuse(cudaErrorInvalidValue, std::string("copy of the wrong kind: its target is ") +
                                      (to_device ? "device" : "host") + " memory, its source is " +
                                      (from_device ? "device" : "host") + " memory");
  }
}

void copy(void* to, const void* from, size_t bytes) {
  Allocation* target = owner(to, bytes, "target");
  const Allocation* source = owner(from, bytes, "source");
  std::memmove(to, from, bytes);
  if (!target || !target->device()) return;
  if (source && source->device()) {
    target->copy_marks(to, *source, from, bytes);
  } else {
    target->mark_written(to, bytes);
  }
}

// Freed before the copy came to run: the device would touch memory that is gone.
void check_alive(const Allocation* allocation, const char* what) {
  if (allocation && !allocation->live()) {
    refuse(cudaErrorIllegalAddress,
           std::string("a copy's ") + what + ", " + allocation->name() + ", was freed before it ran");
  }
}

void enqueue_copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  require_device();
  Stream& stream = device().stream(handle);
  const Allocation* target = owner(to, bytes, "target");
  const Allocation* source = owner(from, bytes, "source");
  check_ends(target, source, kind);
  if (bytes == 0) return;
  // Pageable host memory: the source is read now, the target is written before the call returns.
  if (stream.capture && (!target || !source)) {
    stream.capture->invalid = true;
    refuse(cudaErrorStreamCaptureUnsupported,
           "a copy from or to pageable memory while the stream captures; use cudaHostAlloc");
  }
  auto operation = std::make_shared<Operation>();
  operation->kind = Operation::Kind::copy;
  std::shared_ptr<std::vector<std::byte>> snapshot;
  if (!source) {
    const auto* begin = static_cast<const std::byte*>(from);
    snapshot = std::make_shared<std::vector<std::byte>>(begin, begin + bytes);
  }
  operation->run = [=] {
    check_alive(target, "target");
    check_alive(source, "source");
    copy(to, snapshot ? snapshot->data() : from, bytes);
  };
  device().enqueue(stream, operation);
  if (!target && !stream.capture) device().finish(operation);
}

void enqueue_fill(void* pointer, int value, size_t bytes, cudaStream_t handle) {
  require_device();
  Stream& stream = device().stream(handle);
  Allocation* target = owner(pointer, bytes, "target");
  if (!target || !target->device()) refuse(cudaErrorInvalidValue, "cudaMemset: the target is not device memory");
  if (bytes == 0) return;
  auto operation = std::make_shared<Operation>();
  operation->kind = Operation::Kind::fill;
  operation->run = [=] {
    check_alive(target, "target");
    std::memset(pointer, value, bytes);
    target->mark_written(pointer, bytes);
  };
  device().enqueue(stream, std::move(operation));
}

cudaError_t allocate(void** pointer, size_t bytes, bool on_device, const char* call) {
  return guarded([&] {
    require_device();
    device().refuse_in_capture(call);
    *pointer = nullptr;
    if (bytes > 0) *pointer = device().allocate(bytes, on_device)->data();
  });
}

cudaError_t release(void* pointer, bool on_device, const char* call) {
  if (!pointer) return cudaSuccess;
  return guarded([&] {
    device().refuse_in_capture(call);
    Allocation* allocation = device().find(pointer);
    if (!allocation || allocation->data() != pointer || allocation->device() != on_device) {
      refuse(cudaErrorInvalidValue, std::string(call) + " of memory that was not allocated or is already free");
    }
    // Waits for the device, as cudaFree does; the memory goes whatever that finds.
    try {
      device().finish_all();
    } catch (const Defect&) {
      device().free(allocation);
      throw;
    }
    device().free(allocation);
  });
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes, true, "cudaMalloc"); }
cudaError_t cudaFree(void* pointer) { return release(pointer, true, "cudaFree"); }
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  return allocate(pointer, bytes, false, "cudaHostAlloc");
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes) { return allocate(pointer, bytes, false, "cudaMallocHost"); }
cudaError_t cudaFreeHost(void* pointer) { return release(pointer, false, "cudaFreeHost"); }

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  return guarded([&] {
    require_device();
    *total_bytes = device().settings.memory_bytes;
    *free_bytes = *total_bytes - std::min(*total_bytes, device().allocated_bytes());
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return guarded([&] { enqueue_copy(to, from, bytes, kind, stream); });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return guarded([&] {
    enqueue_copy(to, from, bytes, kind, nullptr);
    device().finish(device().stream(nullptr).last);
  });
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  return guarded([&] { enqueue_fill(pointer, value, bytes, stream); });
}

cudaError_t cudaMemset(void* pointer, int value, size_t bytes) {
  return guarded([&] { enqueue_fill(pointer, value, bytes, nullptr); });
}
