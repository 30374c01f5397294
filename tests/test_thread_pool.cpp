// The thread pool: what is done, by whom, and who waits for whom. Under ThreadSanitizer:
//   g++ -std=c++20 -fsanitize=thread -I. engine/thread_pool.cpp engine/cores.cpp tests/test_thread_pool.cpp -pthread
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/parallel.h"

namespace nad {
namespace {

using namespace std::chrono_literals;

// The pool has this many threads while this lives.
class Threads {
 public:
  explicit Threads(int n) : before_(max_threads()) { set_threads(n); }
  ~Threads() { set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

// How often each of n things happened, counted by any thread.
class Counts {
 public:
  explicit Counts(int64_t n) : counts_(static_cast<size_t>(n)) {}
  void count(int64_t i) { counts_[static_cast<size_t>(i)].fetch_add(1); }
  bool all(int times) const {
    for (const auto& c : counts_) {
      if (c.load() != times) return false;
    }
    return true;
  }

 private:
  std::vector<std::atomic<int>> counts_;
};

// Waits until all `threads` threads of a region are in it; the pool's come when they can.
void meet(std::atomic<int>& arrived, int threads) {
  arrived.fetch_add(1);
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (arrived.load() < threads && std::chrono::steady_clock::now() < until) std::this_thread::yield();
}

TEST_CASE("every item once") {
  for (const int threads : {1, 2, 3, 7}) {
    const Threads pool(threads);
    for (const int64_t n : {0, 1, 2, 5, 64, 1000, 100000}) {
      CAPTURE(threads);
      CAPTURE(n);
      Counts each(n), range(n), wide(n);
      std::atomic<int> narrow{0};
      parallel_each(n, [&](int64_t i, int) { each.count(i); });
      parallel_for(n, [&](int64_t begin, int64_t end, int) {
        CHECK(begin < end);
        for (int64_t i = begin; i < end; ++i) range.count(i);
      });
      parallel_for(
          n,
          [&](int64_t begin, int64_t end, int) {
            if (end - begin < 64 && n >= 64) ++narrow;
            for (int64_t i = begin; i < end; ++i) wide.count(i);
          },
          64);
      CHECK(each.all(1));
      CHECK(range.all(1));
      CHECK(wide.all(1));
      CHECK(narrow == 0);
    }
  }
}

TEST_CASE("threads of a region are different and in range, and all of them come") {
  for (const int threads : {2, 5}) {
    const Threads pool(threads);
    std::vector<std::atomic<int>> inside(static_cast<size_t>(threads));
    std::atomic<int> arrived{0}, wrong{0};
    parallel_each(threads, [&](int64_t, int thread) {
      if (thread < 0 || thread >= threads || inside[static_cast<size_t>(thread)].exchange(1) != 0) ++wrong;
      meet(arrived, threads);  // so that nobody takes a second item before all have one
      inside[static_cast<size_t>(thread)] = 0;
    });
    CHECK(arrived == threads);
    CHECK(wrong == 0);
  }
}

TEST_CASE("no two that run at the same time have the same thread") {
  const Threads pool(4);
  std::array<std::atomic<int>, 4> inside{};
  std::atomic<int> wrong{0};
  for (int region = 0; region < 200; ++region) {
    parallel_each(50, [&](int64_t, int thread) {
      if (inside[static_cast<size_t>(thread)].fetch_add(1) != 0) ++wrong;
      inside[static_cast<size_t>(thread)].fetch_sub(1);
    });
  }
  CHECK(wrong == 0);
}

TEST_CASE("what a body throws arrives, and the pool goes on") {
  for (const int threads : {1, 3}) {
    const Threads pool(threads);
    std::atomic<int64_t> done{0};
    CHECK_THROWS_WITH_AS(parallel_each(100000,
                                       [&](int64_t i, int) {
                                         if (i == 7) throw std::runtime_error("item 7");
                                         ++done;
                                       }),
                         "item 7", std::runtime_error);
    CHECK(done < 100000 - 1);  // nothing is begun after that
    CHECK_THROWS_AS(parallel_each(100, [](int64_t, int) { throw std::logic_error("all"); }), std::logic_error);
    Counts counts(100);
    parallel_each(100, [&](int64_t i, int) { counts.count(i); });
    CHECK(counts.all(1));
  }
}

TEST_CASE("a region in a region is its caller's alone") {
  const Threads pool(3);
  Counts counts(20 * 30);
  std::atomic<int> wrong{0};
  parallel_each(20, [&](int64_t outer, int) {
    const auto self = std::this_thread::get_id();
    parallel_each(30, [&](int64_t inner, int thread) {
      if (thread != 0 || std::this_thread::get_id() != self) ++wrong;
      counts.count(outer * 30 + inner);
    });
    parallel_for(30, [&](int64_t begin, int64_t end, int thread) {
      if (begin != 0 || end != 30 || thread != 0) ++wrong;
    });
  });
  CHECK(counts.all(1));
  CHECK(wrong == 0);
}

TEST_CASE("several callers at once: each region is whole") {
  const Threads pool(3);
  std::atomic<int> wrong{0};
  const auto call = [&] {
    for (int region = 0; region < 500; ++region) {
      std::atomic<int64_t> sum{0};
      parallel_each(40, [&](int64_t i, int thread) {
        if (thread < 0 || thread >= 3) ++wrong;
        sum += i;
      });
      if (sum != 40 * 39 / 2) ++wrong;
    }
  };
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 4; ++c) callers.emplace_back(call);
  }
  CHECK(wrong == 0);
}

TEST_CASE("the number of threads may change between regions") {
  const Threads pool(1);
  for (int round = 0; round < 300; ++round) {
    const int threads = 1 + round * 7 % 6;
    set_threads(threads);
    CHECK(max_threads() == threads);
    std::atomic<int> wrong{0};
    Counts counts(30);
    parallel_each(30, [&](int64_t i, int thread) {
      if (thread < 0 || thread >= threads) ++wrong;
      counts.count(i);
    });
    CHECK(wrong == 0);
    CHECK(counts.all(1));
  }
}

TEST_CASE("100000 regions with next to nothing to do") {
  const Threads pool(2);
  std::vector<int64_t> values(8);
  for (int region = 0; region < 100000; ++region) {
    parallel_each(8, [&](int64_t i, int) { values[static_cast<size_t>(i)] += i + region; });
  }
  for (size_t i = 0; i < values.size(); ++i) {
    CHECK(values[i] == 100000 * static_cast<int64_t>(i) + 99999ll * 100000 / 2);
  }
}

// One thread is stopped with an item in its hands: the others do all the rest meanwhile.
TEST_CASE("a thread that is stopped holds up its item alone") {
  for (const bool caller_stops : {false, true}) {
    const Threads pool(3);
    const auto caller = std::this_thread::get_id();
    std::atomic<int> arrived{0}, done{0};
    std::atomic<bool> stopped{false}, rest_done{false};
    constexpr int kItems = 1000;
    parallel_each(kItems, [&](int64_t, int) {
      if (arrived.load() < 3) meet(arrived, 3);  // the first items: all three are in the region
      if ((std::this_thread::get_id() == caller) == caller_stops && !stopped.exchange(true)) {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (done.load() < kItems - 1 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
        rest_done = done.load() == kItems - 1;
        return;
      }
      ++done;
    });
    CHECK(stopped);
    CHECK(rest_done);
  }
}

// So a region does not wait for threads that do not come.
TEST_CASE("a process made by fork() has no threads and needs none") {
  const Threads pool(3);
  parallel_each(100, [](int64_t, int) {});
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::atomic<int64_t> sum{0};
    parallel_each(100, [&](int64_t i, int) { sum += i; });
    _exit(sum == 4950 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace nad
