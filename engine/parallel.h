// The one thread pool: OpenMP's, which oneDNN shares. Without OpenMP everything runs on the calling thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/cores.h"

namespace nad {

inline int max_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

// 0: default_threads().
inline void set_threads(int n) {
#ifdef _OPENMP
  omp_set_num_threads(n > 0 ? n : default_threads());
#else
  (void)n;
#endif
}

// Calls body(begin, end, thread) on contiguous ranges that cover [0, n). The split depends on n and the thread
// count alone. Work whose result depends on the split (a sum across ranges) does not belong here: reduce over
// fixed blocks instead, so that results do not depend on --threads.
template <class Body>
void parallel_for(int64_t n, Body&& body) {
#ifdef _OPENMP
  if (n > 1 && max_threads() > 1 && !omp_in_parallel()) {
#pragma omp parallel
    {
      const int64_t t = omp_get_thread_num(), count = omp_get_num_threads();
      const int64_t begin = n * t / count, end = n * (t + 1) / count;
      if (begin < end) body(begin, end, static_cast<int>(t));
    }
    return;
  }
#endif
  if (n > 0) body(int64_t{0}, n, 0);
}

// The items of [0, n), dealt out in contiguous ranges. A thread takes its own from the front, so that neighbours
// follow each other; then it takes from the back of the range that has most left. For work in pieces of some 10
// microseconds on cores that the program does not have to itself, where equal shares take unequal time.
class SharedItems {
 public:
  static constexpr int64_t kMost = int64_t{1} << 31;
  static constexpr int kThreads = 256;

  SharedItems(int64_t items, int threads) : threads_(threads) {
    for (int t = 0; t < threads; ++t) ranges_[t] = pack(items * t / threads, items * (t + 1) / threads);
  }
  // -1 where nothing is left.
  int64_t take(int thread) {
    for (;;) {
      uint64_t range = ranges_[thread].load(std::memory_order_relaxed);
      int from = thread;
      if (left(range) == 0) {
        for (int t = 0; t < threads_; ++t) {
          const uint64_t other = ranges_[t].load(std::memory_order_relaxed);
          if (left(other) > left(range)) range = other, from = t;
        }
        if (left(range) == 0) return -1;
      }
      const int64_t begin = static_cast<int64_t>(range >> 32), end = static_cast<int64_t>(range & 0xffffffffu);
      const uint64_t rest = from == thread ? pack(begin + 1, end) : pack(begin, end - 1);
      if (ranges_[from].compare_exchange_weak(range, rest, std::memory_order_relaxed)) {
        return from == thread ? begin : end - 1;
      }
    }
  }

 private:
  static uint64_t pack(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }
  static int64_t left(uint64_t range) {
    return static_cast<int64_t>(range & 0xffffffffu) - static_cast<int64_t>(range >> 32);
  }
  int threads_;
  std::atomic<uint64_t> ranges_[kThreads];
};

// Calls body(item, thread) for every item of [0, n). Which thread
// gets which item is not fixed: no result may depend on it.
template <class Body>
void parallel_each(int64_t n, Body&& body) {
#ifdef _OPENMP
  if (n > 1 && n < SharedItems::kMost && max_threads() > 1 && max_threads() <= SharedItems::kThreads &&
      !omp_in_parallel()) {
    SharedItems items(n, max_threads());
#pragma omp parallel num_threads(max_threads())
    {
      const int thread = omp_get_thread_num();
      for (int64_t item = items.take(thread); item >= 0; item = items.take(thread)) body(item, thread);
    }
    return;
  }
#endif
  for (int64_t item = 0; item < n; ++item) body(item, 0);
}

}  // namespace nad
