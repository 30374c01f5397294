// The shared memory of the block that an OS thread runs, with what is needed to find unwritten reads and races.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "host_cuda/shared.h"

namespace host_cuda {

// Time within a block: it advances at every block barrier and warp barrier. Two accesses of different threads are in
// order if a block barrier lies between them, or a barrier of the warp that both belong to.
class Clock {
 public:
  void start_block() {
    block_ = barrier_ = ++now_;
    warps_.fill(now_);
  }
  void block_barrier() { barrier_ = ++now_; }
  void warp_barrier(unsigned warp) { warps_[warp] = ++now_; }
  uint32_t now() const { return now_; }
  bool in_this_block(uint32_t time) const { return time >= block_; }
  bool before_barrier(uint32_t time) const { return time < barrier_; }
  // Is an access of `other_warp` at `time` in order before what `warp` does now?
  bool ordered(uint32_t time, unsigned other_warp, unsigned warp) const {
    return time < barrier_ || (other_warp == warp && time < warps_[warp]);
  }

 private:
  uint32_t now_ = 0, block_ = 0, barrier_ = 0;
  std::array<uint32_t, 32> warps_{};
};

class SharedMemory {
 public:
  SharedMemory();
  // A new block: nobody has written anything. Static arrays come after the dynamic bytes.
  void start_block(size_t dynamic_bytes, bool races);
  Clock& clock() { return clock_; }
  size_t dynamic_bytes() const { return dynamic_bytes_; }
  size_t add_array(const void* key, const char* name, size_t bytes, size_t alignment);
  void* access(const Lane& lane, const char* name, size_t offset, size_t bytes, Access access, const void* value);
  void start_copy(const Lane& lane, const char* name, size_t offset, size_t bytes);
  void finish_copy(const Lane& lane, const PendingCopy& copy);

 private:
  enum class Kind : uint8_t { plain, atomic, copying };
  // The last write and the last reads of two bytes.
  struct Cell {
    uint32_t write_time = 0, read_time = 0;
    uint16_t writer = 0, reader = 0;
    Kind kind = Kind::plain;
  };
  struct Array {
    const void* key;
    size_t offset;
  };
  void check_read(const Lane& lane, const char* name, size_t offset, const Cell& cell, bool atomic) const;
  void check_write(const Lane& lane, const char* name, size_t offset, const Cell& cell, bool atomic) const;
  void note_reader(const Lane& lane, Cell& cell) const;

  std::unique_ptr<std::byte[]> memory_;
  std::byte* data_;
  std::vector<Cell> cells_;
  std::vector<Array> arrays_;
  size_t dynamic_bytes_ = 0, used_ = 0;
  bool races_ = true;
  Clock clock_;
};

}  // namespace host_cuda
