// Lanes and blocks: what runs a kernel on the host. Every thread
// of a block is a fiber that runs until it has to wait for others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <vector>

#include "host_cuda/runtime_api.h"
#include "host_cuda/types.h"

namespace host_cuda {

using Site = std::source_location;

// What a lane throws when the model finds a defect in the kernel; the launch turns it into an error code and a text.
struct Defect {
  cudaError_t code;
  std::string text;
};

std::string describe(const Site& site);  // "reduce.cu:42"

enum class LaneState : uint8_t { ready, at_barrier, at_collective, returned };

// A cp.async that was started and not waited for.
struct PendingCopy {
  size_t target;       // byte offset in the block's shared memory
  const void* source;  // null: zeros
  unsigned bytes;
};

struct Lane {
  unsigned number = 0;  // in the block
  uint3 index{};
  LaneState state = LaneState::returned;
  // What it waits at
  const char* operation = "";
  Site site{};
  unsigned mask = 0;
  void* arguments = nullptr;
  int predicate = 0;
  // cp.async: closed groups, oldest first, and the open one
  std::vector<std::vector<PendingCopy>> groups;
  std::vector<PendingCopy> open_group;

  unsigned in_warp() const { return number % 32; }
  unsigned warp() const { return number / 32; }
};

class Block;
inline thread_local constinit Lane* running_lane = nullptr;
inline thread_local constinit Block* running_block = nullptr;

// The running lane. Throws Defect outside of a kernel.
Lane& this_lane(const char* operation);

// Ends the running lane with a finding.
[[noreturn]] void defect(cudaError_t code, const std::string& text);

// Waits for the whole block; returns the number of threads whose predicate was not 0.
int block_barrier(const char* operation, int predicate, const Site& site);

// One operation of all lanes in `mask`. The last lane to arrive calls resolve(lanes): the arguments of every lane of
// the warp, null where it does not take part. Then all go on.
struct Warp {
  void* arguments[32];
  unsigned mask;
};
using Resolve = void (*)(Warp&);
void collective(const char* operation, unsigned mask, void* arguments, Resolve resolve, const Site& site);
void warp_barrier(unsigned mask, const Site& site);

}  // namespace host_cuda
