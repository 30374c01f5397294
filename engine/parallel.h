// The one thread pool: OpenMP's, which oneDNN shares. Without OpenMP everything runs on the calling thread.
#pragma once

#include <algorithm>
#include <cstdint>
#ifdef _OPENMP
#include <omp.h>
#endif

namespace nad {

inline int max_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

inline void set_threads(int n) {
#ifdef _OPENMP
  omp_set_num_threads(n);
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

}  // namespace nad
