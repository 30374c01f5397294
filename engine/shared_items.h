// The items of a region of work, dealt out among threads and then taken.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace nad {

// Items [0, items), in a contiguous range for each thread. A thread takes its own from the front, so that neighbours
// follow each other; then it takes from the back of the range that has most left. So equal shares may take unequal
// time, and what a thread has not begun never waits for it.
class SharedItems {
 public:
  static constexpr int64_t kMost = int64_t{1} << 31;

  // PRECOND: nobody takes. items < kMost.
  void deal(int64_t items, int threads) {
    if (threads > room_) ranges_.reset(new Range[static_cast<size_t>(threads)]), room_ = threads;
    threads_ = threads;
    for (int t = 0; t < threads; ++t) {
      ranges_[t].value.store(pack(items * t / threads, items * (t + 1) / threads), std::memory_order_relaxed);
    }
  }
  // -1 where nothing is left.
  int64_t take(int thread) {
    for (;;) {
      uint64_t range = ranges_[thread].value.load(std::memory_order_relaxed);
      int from = thread;
      if (left(range) == 0) {
        for (int t = 0; t < threads_; ++t) {
          const uint64_t other = ranges_[t].value.load(std::memory_order_relaxed);
          if (left(other) > left(range)) range = other, from = t;
        }
        if (left(range) == 0) return -1;
      }
      const int64_t begin = static_cast<int64_t>(range >> 32), end = static_cast<int64_t>(range & 0xffffffffu);
      const uint64_t rest = from == thread ? pack(begin + 1, end) : pack(begin, end - 1);
      if (ranges_[from].value.compare_exchange_weak(range, rest, std::memory_order_relaxed)) {
        return from == thread ? begin : end - 1;
      }
    }
  }
  // Nobody gets another.
  void drop() {
    for (int t = 0; t < threads_; ++t) ranges_[t].value.store(0, std::memory_order_relaxed);
  }

 private:
  struct alignas(64) Range {  // a cache line each
    std::atomic<uint64_t> value{0};
  };
  static uint64_t pack(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }
  static int64_t left(uint64_t range) {
    return static_cast<int64_t>(range & 0xffffffffu) - static_cast<int64_t>(range >> 32);
  }
  std::unique_ptr<Range[]> ranges_;
  int room_ = 0, threads_ = 0;
};

}  // namespace nad
