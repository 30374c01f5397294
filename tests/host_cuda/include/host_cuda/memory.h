// Device memory of the model: every allocation with its guard zones and a mark per byte, "somebody wrote it".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host_cuda/lane.h"

namespace host_cuda {

// Fresh memory and guard zones: NaN as float, double and bfloat16.
inline std::byte poison_byte(size_t offset) { return offset % 2 == 0 ? std::byte{0xf5} : std::byte{0xff}; }
void poison(std::byte* data, size_t bytes);

constexpr size_t guard_bytes = 512;  // on both sides of an allocation

class Allocation {
 public:
  Allocation(size_t bytes, bool device, int64_t serial);
  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool device() const { return device_; }  // else page-locked host memory, which kernels may read too
  int64_t serial() const { return serial_; }
  bool live() const { return live_; }
  std::string name() const;  // "cudaMalloc #3 of 4096 bytes"

  // Throws Defect where the allocation was freed, or where an element of the range was never written.
  void check_read(const void* address, size_t bytes, size_t element) const {
    const size_t offset = check_live(address, bytes);
    for (size_t i = 0; i < bytes; ++i) {
      if (!written_[offset + i]) return check_written(offset, bytes, element);
    }
  }
  void mark_written(const void* address, size_t bytes) {
    const size_t offset = check_live(address, bytes);
    for (size_t i = 0; i < bytes; ++i) written_[offset + i] = 1;
  }
  void mark_unwritten(const void* address, size_t bytes);  // and poisons
  void copy_marks(const void* address, const Allocation& source, const void* from, size_t bytes);
  // The first damaged byte's place as text, or ""; repairs the zones.
  std::string check_guards();
  void release();

 private:
  size_t check_live(const void* address, size_t bytes) const {
    const auto offset = static_cast<size_t>(static_cast<const std::byte*>(address) - data_);
    if (!live_ || offset > size_ || bytes > size_ - offset) fail_outside(address, bytes);
    return offset;
  }
  [[noreturn]] void fail_outside(const void* address, size_t bytes) const;
  void check_written(size_t offset, size_t bytes, size_t element) const;

  std::unique_ptr<std::byte[]> memory_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool device_ = true;
  int64_t serial_ = 0;
  bool live_ = true;
  mutable std::vector<uint8_t> written_;  // also set where a plain pointer is found to have written
};

// The live allocation that holds the address, or null. Allocations
// are never destroyed, so a view of freed memory can say so.
Allocation* find_allocation(const void* address);

}  // namespace host_cuda
