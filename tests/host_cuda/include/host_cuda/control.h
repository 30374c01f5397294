// The host model's settings and findings, for tests.
//
// What the model finds, each as a failing call with the whole story in cudaGetErrorString:
// - accesses through Global and Shared outside their bounds, misaligned, to freed memory, or reading memory that
//   nobody wrote; damaged guard zones around every cudaMalloc (plain pointers) after each kernel;
// - unordered accesses of two lanes to the same shared memory (a missing barrier), whatever the lane order;
// - a __syncthreads that some threads miss; shuffles and votes whose mask names absent lanes or omits the caller;
// - reading the target of a cp.async that nobody waited for;
// - allocation or synchronisation while a stream captures, and work on it that other streams did not join.
// A missing barrier between global-memory accesses shows as different results over Settings::lanes and ::blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace host_cuda {

enum class Order { ascending, descending, shuffled };

struct Settings {
  // How a grid runs
  Order lanes = Order::ascending;   // which lane of a block goes first, between any two barriers
  Order blocks = Order::ascending;  // which block of a grid
  uint64_t seed = 1;                // of the shuffled orders
  int workers = 1;                  // OS threads that run blocks at the same time
  bool races = true;                // look for races in shared memory
  // How streams run
  bool eager = false;       // run work when it is enqueued, not when it is waited for
  bool late_first = false;  // of work that is not ordered by stream or event: the latest enqueued first
  // What the machine is
  int device_count = 1;
  int driver_version = 13000;             // 0: no driver
  int capability = 90;                    // 90: sm_90
  int built_for = 80;                     // the lowest architecture that the kernels count as compiled for
  size_t memory_bytes = size_t{8} << 30;  // at the start that of the environment's HOST_CUDA_MEMORY, if set
  int64_t failing_allocation = 0;         // the n-th cudaMalloc from now on fails, 0: none
};

// The settings of this process's device. Change them while no work is pending.
Settings& settings();

struct Statistics {
  int64_t launches = 0, barriers = 0, collectives = 0;  // run so far: kernels, block barriers, warp-wide operations
  int64_t allocations = 0;                              // live cudaMallocs
  size_t allocated_bytes = 0;
};
Statistics statistics();

// Drops pending work, captures and the last error; default settings. Memory stays.
void reset();

// The text of the last finding, or "".
std::string last_finding();

// Device memory as if nobody had written it: a read through a view is an error until somebody writes.
void mark_unwritten(const void* pointer, size_t bytes);

}  // namespace host_cuda
