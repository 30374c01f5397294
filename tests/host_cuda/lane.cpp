// What a running lane calls: barriers, warp-wide operations, shared memory, asynchronous copies.
#include "host_cuda/lane.h"

#include <cstring>

#include "block.h"
#include "host_cuda/tensor.h"

namespace host_cuda {

std::string describe(const Site& site) {
  const char* file = std::strrchr(site.file_name(), '/');
  return std::string(file ? file + 1 : site.file_name()) + ":" + std::to_string(site.line());
}

void defect(cudaError_t code, const std::string& text) { throw Defect{code, text}; }

Lane& this_lane(const char* operation) {
  if (!running_lane) defect(cudaErrorLaunchFailure, std::string(operation) + " outside of a kernel");
  return *running_lane;
}

int block_barrier(const char* operation, int predicate, const Site& site) {
  Lane& lane = this_lane(operation);
  return running_block->wait_at_barrier(lane, operation, predicate, site);
}

void collective(const char* operation, unsigned mask, void* arguments, Resolve resolve, const Site& site) {
  Lane& lane = this_lane(operation);
  running_block->meet(lane, operation, mask, arguments, resolve, site);
}

void warp_barrier(unsigned mask, const Site& site) {
  // The last lane to arrive moves the clock: accesses before and after it are in order within the warp.
  collective(
      "__syncwarp", mask, &mask, [](Warp&) { running_block->shared().clock().warp_barrier(running_lane->warp()); },
      site);
}

size_t static_shared(const void* key, const char* name, size_t bytes, size_t alignment) {
  this_lane("NAD_SHARED");
  return running_block->shared().add_array(key, name, bytes, alignment);
}

void check_dynamic_shared(int64_t byte_offset, int64_t count, size_t element, size_t alignment) {
  this_lane("dynamic_shared");
  const auto granted = static_cast<int64_t>(running_block->shared().dynamic_bytes());
  if (byte_offset < 0 || count < 0 || byte_offset + count * static_cast<int64_t>(element) > granted) {
    defect(cudaErrorIllegalAddress, "dynamic_shared: " + std::to_string(count) + " elements of " +
                                        std::to_string(element) + " bytes from byte " + std::to_string(byte_offset) +
                                        " on; the launch has " + std::to_string(granted) + " bytes");
  }
  if (byte_offset % static_cast<int64_t>(alignment) != 0) {
    defect(cudaErrorMisalignedAddress, "dynamic_shared: byte offset " + std::to_string(byte_offset) +
                                           " is not a multiple of " + std::to_string(alignment));
  }
}

void* shared_access(const char* name, size_t offset, size_t bytes, size_t alignment, Access access,
                    const void* value) {
  if (offset % alignment != 0) {
    defect(cudaErrorMisalignedAddress, std::string("shared memory '") + name + "': access of " +
                                           std::to_string(bytes) + " bytes at byte " + std::to_string(offset) +
                                           ", not a multiple of " + std::to_string(alignment));
  }
  return running_block->shared().access(*running_lane, name, offset, bytes, access, value);
}

void fail_bounds(const char* space, const char* name, bool write, int64_t index, size_t bytes, int64_t count,
                 size_t element) {
  defect(cudaErrorIllegalAddress, std::string(space) + " memory: " + (write ? "write" : "read") + " of " +
                                      std::to_string(bytes) + " bytes at element " + std::to_string(index) + " of " +
                                      name + " of " + std::to_string(count) + " elements of " +
                                      std::to_string(element) + " bytes");
}

void copy_async(const char* name, size_t target, const void* source, unsigned bytes) {
  Lane& lane = this_lane("cp_async");
  if (target % bytes != 0) {
    defect(cudaErrorMisalignedAddress, std::string("cp.async to '") + name + "': byte " + std::to_string(target) +
                                           " is not a multiple of " + std::to_string(bytes));
  }
  running_block->shared().start_copy(lane, name, target, bytes);
  lane.open_group.push_back({target, source, bytes});
}

void copy_commit() {
  Lane& lane = this_lane("cp_async_commit");
  lane.groups.push_back(std::move(lane.open_group));
  lane.open_group.clear();
}

// Copies happen here, as late as they may: a kernel that waits for too little reads marks instead of data.
void copy_wait(size_t pending) {
  Lane& lane = this_lane("cp_async_wait");
  if (lane.groups.size() <= pending) return;
  const size_t done = lane.groups.size() - pending;
  for (size_t g = 0; g < done; ++g) {
    for (const PendingCopy& copy : lane.groups[g]) running_block->shared().finish_copy(lane, copy);
  }
  lane.groups.erase(lane.groups.begin(), lane.groups.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace host_cuda
