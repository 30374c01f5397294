// The project's own threads. They are made for cores that the program does not have to itself: a region of work is
// done by the thread that calls for it and by as many of the pool's as come; what one has not begun the others do, so
// a thread that the system has stopped holds up no more than the item in its hands. Who has to wait spins for
// microseconds, then sleeps and leaves its core to those that have work.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>

#include "engine/shared_items.h"

namespace nad {

class ThreadPool {
 public:
  using Item = void (*)(void* body, int64_t item, int thread);

  ThreadPool() = default;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The one that parallel_for and parallel_each use. It lives as long as the process, which ends without waiting for
  // its threads; a process made by fork() has none of them and does its regions alone.
  static ThreadPool& instance();
  // Whether the calling thread is at work in a region: a region within a region is done by its caller alone.
  static bool in_region();

  // Threads of a region with its caller, at least 1. At first default_threads().
  int threads();
  // From the next region on; 0: default_threads(). Threads are started by the first region that has use for them.
  void set_threads(int n);

  // Calls item(body, i, thread) once for every i in [0, items), and returns when all calls have returned. thread is the
  // same for all calls of a thread, different from that of any other thread of the region, and in [0, threads()). Where
  // another thread's region is under way, the caller does its own alone, as thread 0. Throws what the first call to
  // fail threw; the items that nobody has begun by then are left out.
  void run(int64_t items, Item item, void* body);

 private:
  void run_alone(int64_t items, Item item, void* body);
  void start_workers();
  void serve(int thread, uint32_t seen);
  void work(int thread);
  bool enter();
  void leave();

  std::atomic<int> threads_{0};     // 0: not yet asked for
  std::atomic<bool> spins_{false};  // every thread has a core, as far as one can know
  std::atomic<bool> busy_{false};   // a region is under way; its caller owns what follows
  int workers_ = 0;                 // started; their numbers are 1 to workers_
  int region_threads_ = 0;
  Item item_ = nullptr;
  void* body_ = nullptr;
  SharedItems items_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;  // of the thread that set failed_

  alignas(64) std::atomic<uint32_t> region_{0};  // its number: workers wait for another
  alignas(64) std::atomic<uint32_t> inside_{0};  // kOpen while workers may enter, and kOne for each that is inside
};

}  // namespace nad
