// Hands out typed pieces of one block of device memory, each on its own 256 bytes: run once with null to count the
// bytes, then with the block's address.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nad {

class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <class T>
  void take(T*& pointer, int64_t count) {
    if (base_) pointer = reinterpret_cast<T*>(base_ + used_);
    used_ += (sizeof(T) * static_cast<size_t>(count) + 255) / 256 * 256;
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

}  // namespace nad
