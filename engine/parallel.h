// Loops whose parts run on the threads of the pool (engine/thread_pool.h). What a part computes may not depend on who
// does it, nor on where the loop is cut.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "engine/thread_pool.h"

namespace nad {

inline int max_threads() { return ThreadPool::instance().threads(); }

// 0: default_threads().
inline void set_threads(int n) { ThreadPool::instance().set_threads(n); }

// Calls body(item, thread) for every item of [0, n). Which thread gets which item is not fixed. thread is in
// [0, max_threads()) and no two that run at the same time have the same. Throws what a body throws.
template <class Body>
void parallel_each(int64_t n, Body&& body) {
  using Called = std::remove_reference_t<Body>;
  const auto call = [](void* called, int64_t item, int thread) { (*static_cast<Called*>(called))(item, thread); };
  ThreadPool::instance().run(n, call, const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// Calls body(begin, end, thread) on contiguous ranges that cover [0, n), of at least `least` items each where n has as
// many. Work whose result depends on the split (a sum across ranges) does not belong here: reduce over fixed blocks
// instead, so that results do not depend on --threads.
template <class Body>
void parallel_for(int64_t n, Body&& body, int64_t least = 1) {
  constexpr int64_t kRangesPerThread = 16;  // so that what a slow thread does not get to is taken by others
  if (n <= 0) return;
  const int threads = ThreadPool::in_region() ? 1 : max_threads();
  const int64_t ranges = threads == 1 ? 1 : std::clamp<int64_t>(n / least, 1, threads * kRangesPerThread);
  parallel_each(ranges, [&](int64_t i, int thread) { body(n * i / ranges, n * (i + 1) / ranges, thread); });
}

}  // namespace nad
