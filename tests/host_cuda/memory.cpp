#include "host_cuda/memory.h"

#include <algorithm>
#include <cstring>

#include "device.h"

namespace host_cuda {

void poison(std::byte* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) data[i] = poison_byte(i);
}

Allocation::Allocation(size_t bytes, bool device, int64_t serial)
    : memory_(new std::byte[bytes + 2 * guard_bytes + 256]), size_(bytes), device_(device), serial_(serial) {
  const auto address = reinterpret_cast<uintptr_t>(memory_.get()) + guard_bytes;
  data_ = memory_.get() + guard_bytes + (256 - address % 256) % 256;
  poison(data_ - guard_bytes, bytes + 2 * guard_bytes);
  written_.assign(bytes, device ? 0 : 1);
}

std::string Allocation::name() const {
  return (device_ ? "cudaMalloc #" : "page-locked memory #") + std::to_string(serial_) + " of " +
         std::to_string(size_) + " bytes";
}

void Allocation::release() {
  live_ = false;
  memory_.reset();
  written_.clear();
  written_.shrink_to_fit();
}

void Allocation::fail_outside(const void* address, size_t bytes) const {
  if (!live_) defect(cudaErrorIllegalAddress, "global memory: access to " + name() + ", which was freed");
  const auto offset = static_cast<const std::byte*>(address) - data_;
  defect(cudaErrorIllegalAddress, "global memory: access of " + std::to_string(bytes) + " bytes at byte " +
                                      std::to_string(offset) + " of " + name());
}

// An element counts as never written if it holds poison that no view wrote, and no sign of a plain pointer's write.
void Allocation::check_written(size_t offset, size_t bytes, size_t element) const {
  for (size_t e = offset; e < offset + bytes; e += element) {
    bool poisoned = false, plain_write = false;
    for (size_t i = e; i < e + element; ++i) {
      if (written_[i]) continue;
      (data_[i] == poison_byte(i) ? poisoned : plain_write) = true;
    }
    if (poisoned && !plain_write) {
      defect(cudaErrorIllegalAddress,
             "global memory: read of byte " + std::to_string(e) + " of " + name() + ", which nobody wrote");
    }
    for (size_t i = e; i < e + element; ++i) written_[i] = 1;
  }
}

void Allocation::mark_unwritten(const void* address, size_t bytes) {
  const size_t offset = check_live(address, bytes);
  std::fill_n(written_.begin() + static_cast<std::ptrdiff_t>(offset), bytes, uint8_t{0});
  for (size_t i = 0; i < bytes; ++i) data_[offset + i] = poison_byte(offset + i);
}

void Allocation::copy_marks(const void* address, const Allocation& source, const void* from, size_t bytes) {
  const auto to_offset = static_cast<std::ptrdiff_t>(check_live(address, bytes));
  const auto from_offset = static_cast<std::ptrdiff_t>(source.check_live(from, bytes));
  std::vector<uint8_t> marks(source.written_.begin() + from_offset,
                             source.written_.begin() + from_offset + static_cast<std::ptrdiff_t>(bytes));
  std::copy(marks.begin(), marks.end(), written_.begin() + to_offset);
}

std::string Allocation::check_guards() {
  std::string found;
  for (size_t i = 0; i < 2 * guard_bytes; ++i) {
    const bool before = i < guard_bytes;
    const size_t distance = before ? guard_bytes - i : i - guard_bytes;
    std::byte& guard = before ? data_[-static_cast<std::ptrdiff_t>(distance)] : data_[size_ + distance];
    const std::byte intact = poison_byte(before ? i : guard_bytes + size_ + distance);
    if (guard == intact) continue;
    if (found.empty()) {
      found = name() + " was written " + std::to_string(distance) + " bytes " +
              (before ? "before its start" : "past its end");
    }
    guard = intact;
  }
  return found;
}

Allocation* find_allocation(const void* address) { return device().find(address); }

void mark_unwritten(const void* pointer, size_t bytes) {
  Allocation* allocation = find_allocation(pointer);
  if (!allocation) defect(cudaErrorInvalidValue, "mark_unwritten: not device memory");
  allocation->mark_unwritten(pointer, bytes);
}

}  // namespace host_cuda
