#include "shared_memory.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "host_cuda/memory.h"

namespace host_cuda {

namespace {

// Reader of a cell: a thread's number, or one of these.
constexpr uint16_t several_warps = 0xffff;
constexpr uint16_t several_lanes = 0x8000;  // + the warp

std::string thread_name(uint16_t thread) {
  if (thread == several_warps) return "several threads";
  if (thread >= several_lanes) return "several threads of warp " + std::to_string(thread - several_lanes);
  return "thread " + std::to_string(thread);
}
unsigned warp_of(uint16_t thread) {
  if (thread == several_warps) return ~0u;
  return thread >= several_lanes ? thread - several_lanes : thread / 32u;
}

std::string place(const char* name, size_t offset) {
  return std::string("shared memory '") + name + "', byte " + std::to_string(offset) + " of the block's";
}

}  // namespace

SharedMemory::SharedMemory() : memory_(new std::byte[shared_capacity + 128]), cells_(shared_capacity / 2 + 1) {
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  data_ = memory_.get() + (128 - address % 128) % 128;
  poison(data_, shared_capacity);
}

void SharedMemory::start_block(size_t dynamic_bytes, bool races) {
  arrays_.clear();
  dynamic_bytes_ = used_ = dynamic_bytes;
  races_ = races;
  clock_.start_block();
}

size_t SharedMemory::add_array(const void* key, const char* name, size_t bytes, size_t alignment) {
  for (const Array& array : arrays_) {
    if (array.key == key) return array.offset;
  }
  const size_t offset = (used_ + alignment - 1) / alignment * alignment;
  used_ = offset + bytes;
  if (used_ - dynamic_bytes_ > static_shared_capacity || used_ > shared_capacity) {
    defect(cudaErrorLaunchOutOfResources,
           std::string("shared array '") + name + "' of " + std::to_string(bytes) +
               " bytes: the block's static arrays exceed 49152 bytes, or with the dynamic memory " +
               std::to_string(shared_capacity));
  }
  arrays_.push_back({key, offset});
  return offset;
}

void SharedMemory::check_read(const Lane& lane, const char* name, size_t offset, const Cell& cell,
                              bool atomic) const {
  if (!clock_.in_this_block(cell.write_time)) {
    defect(cudaErrorIllegalAddress, "read of " + place(name, offset) + ", which nobody wrote");
  }
  if (cell.kind == Kind::copying) {
    defect(cudaErrorIllegalAddress, "read of " + place(name, offset) + ", the target of a cp.async of thread " +
                                        std::to_string(cell.writer) +
                                        " that was not waited for (cp_async_commit, cp_async_wait)");
  }
  const bool both_atomic = atomic && cell.kind == Kind::atomic;
  if (races_ && !both_atomic && cell.writer != lane.number &&
      !clock_.ordered(cell.write_time, warp_of(cell.writer), lane.warp())) {
    defect(cudaErrorIllegalAddress, "race in " + place(name, offset) + ": read here, written by thread " +
                                        std::to_string(cell.writer) + ", and no barrier between them");
  }
}

void SharedMemory::check_write(const Lane& lane, const char* name, size_t offset, const Cell& cell,
                               bool atomic) const {
  if (clock_.in_this_block(cell.write_time)) {
    if (cell.kind == Kind::copying) {
      defect(cudaErrorIllegalAddress, "write to " + place(name, offset) + ", the target of a cp.async of thread " +
                                          std::to_string(cell.writer) + " that was not waited for");
    }
    const bool both_atomic = atomic && cell.kind == Kind::atomic;
    if (races_ && !both_atomic && cell.writer != lane.number &&
        !clock_.ordered(cell.write_time, warp_of(cell.writer), lane.warp())) {
      defect(cudaErrorIllegalAddress, "race in " + place(name, offset) + ": written here and by thread " +
                                          std::to_string(cell.writer) + ", and no barrier between them");
    }
  }
  if (races_ && !atomic && clock_.in_this_block(cell.read_time) && cell.reader != lane.number &&
      !clock_.ordered(cell.read_time, warp_of(cell.reader), lane.warp())) {
    defect(cudaErrorIllegalAddress, "race in " + place(name, offset) + ": written here, read by " +
                                        thread_name(cell.reader) + ", and no barrier between them");
  }
}

void SharedMemory::note_reader(const Lane& lane, Cell& cell) const {
  const auto me = static_cast<uint16_t>(lane.number);
  const bool alone = !clock_.in_this_block(cell.read_time) || cell.reader == me ||
                     clock_.ordered(cell.read_time, warp_of(cell.reader), lane.warp());
  if (alone) {
    cell.reader = me;
  } else if (warp_of(cell.reader) == lane.warp()) {
    cell.reader = static_cast<uint16_t>(several_lanes + lane.warp());
  } else {
    cell.reader = several_warps;
  }
  cell.read_time = clock_.now();
}

void* SharedMemory::access(const Lane& lane, const char* name, size_t offset, size_t bytes, Access access,
                           const void* value) {
  std::byte* p = data_ + offset;
  const bool atomic = access == Access::atomic;
  // Threads may write the same value without a barrier, and neighbouring bytes share a cell.
  const bool unchanged = value && std::memcmp(p, value, bytes) == 0;
  for (size_t i = offset / 2; i <= (offset + bytes - 1) / 2; ++i) {
    Cell& cell = cells_[i];
    if (access != Access::write) {
      // By far the most frequent case first: written by this thread, or before the last barrier.
      const bool fine = cell.kind != Kind::copying && clock_.in_this_block(cell.write_time) &&
                        (cell.writer == lane.number || clock_.before_barrier(cell.write_time));
      if (!fine) check_read(lane, name, 2 * i, cell, atomic || bytes == 1);
    }
    if (access == Access::read) {
      if (clock_.before_barrier(cell.read_time)) {
        cell.reader = static_cast<uint16_t>(lane.number);
        cell.read_time = clock_.now();
      } else {
        note_reader(lane, cell);
      }
      continue;
    }
    const bool copying = clock_.in_this_block(cell.write_time) && cell.kind == Kind::copying;
    const bool silent = (unchanged && clock_.in_this_block(cell.write_time) && !copying) || (bytes == 1 && !copying);
    if (!silent) check_write(lane, name, 2 * i, cell, atomic);
    cell.write_time = clock_.now();
    cell.writer = static_cast<uint16_t>(lane.number);
    cell.kind = atomic ? Kind::atomic : Kind::plain;
  }
  return p;
}

void SharedMemory::start_copy(const Lane& lane, const char* name, size_t offset, size_t bytes) {
  for (size_t i = offset / 2; i < (offset + bytes) / 2; ++i) {
    check_write(lane, name, 2 * i, cells_[i], false);
    cells_[i].write_time = clock_.now();
    cells_[i].writer = static_cast<uint16_t>(lane.number);
    cells_[i].kind = Kind::copying;
  }
}

void SharedMemory::finish_copy(const Lane& lane, const PendingCopy& copy) {
  std::byte* p = data_ + copy.target;
  if (copy.source) {
    const Allocation* allocation = find_allocation(copy.source);
    if (!allocation) defect(cudaErrorIllegalAddress, "cp.async reads memory that is not the device's");
    allocation->check_read(copy.source, copy.bytes, 4);
    std::memcpy(p, copy.source, copy.bytes);
  } else {
    std::memset(p, 0, copy.bytes);
  }
  for (size_t i = copy.target / 2; i < (copy.target + copy.bytes) / 2; ++i) {
    cells_[i].write_time = clock_.now();
    cells_[i].writer = static_cast<uint16_t>(lane.number);
    cells_[i].kind = Kind::plain;
  }
}

}  // namespace host_cuda
