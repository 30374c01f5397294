#include "engine/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/cores.h"

namespace nad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kOpen = 1, kOne = 2;  // of inside_

// About what it takes to wake a sleeping thread: who waits longer than that should have slept from the start.
constexpr std::chrono::microseconds kSpin{50};

thread_local bool in_region_of_thread = false;

// The thread is in a region while this lives.
class InRegion {
 public:
  InRegion() { in_region_of_thread = true; }
  ~InRegion() { in_region_of_thread = false; }
  InRegion(const InRegion&) = delete;
  InRegion& operator=(const InRegion&) = delete;
};

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns when the value is another than `old`.
void wait_for_change(const std::atomic<uint32_t>& value, uint32_t old, bool spins) {
  if (spins) {
    const auto until = Clock::now() + kSpin;
    do {
      for (int i = 0; i < 16; ++i) {
        if (value.load(std::memory_order_acquire) != old) return;
        pause();
      }
    } while (Clock::now() < until);
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static auto& pool = *new ThreadPool;
  return pool;
}

bool ThreadPool::in_region() { return in_region_of_thread; }

int ThreadPool::threads() {
  if (threads_.load(std::memory_order_relaxed) == 0) set_threads(0);
  return threads_.load(std::memory_order_relaxed);
}

void ThreadPool::set_threads(int n) {
  if (n <= 0) n = default_threads();
  spins_.store(n <= available_cores(), std::memory_order_relaxed);
  threads_.store(n, std::memory_order_relaxed);
}

void ThreadPool::run(int64_t items, Item item, void* body) {
  if (items <= 0) return;
  if (items == 1) return item(body, 0, 0);
  if (in_region()) return run_alone(items, item, body);
  const InRegion here;
  if (threads() == 1 || items >= SharedItems::kMost) return run_alone(items, item, body);
  if (busy_.exchange(true, std::memory_order_acquire)) return run_alone(items, item, body);
  region_threads_ = threads();
  start_workers();
  item_ = item, body_ = body;
  items_.deal(items, region_threads_);
  inside_.store(kOpen, std::memory_order_release);
  region_.fetch_add(1);
  region_.notify_all();

  work(0);
  uint32_t inside = inside_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  while (inside != 0) {  // workers with the last items in their hands
    wait_for_change(inside_, inside, spins_.load(std::memory_order_relaxed));
    inside = inside_.load(std::memory_order_acquire);
  }
  const std::exception_ptr error = std::exchange(error_, nullptr);
  failed_.store(false, std::memory_order_relaxed);
  busy_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

void ThreadPool::run_alone(int64_t items, Item item, void* body) {
  for (int64_t i = 0; i < items; ++i) item(body, i, 0);
}

// Where the system refuses a thread the region does without.
void ThreadPool::start_workers() {
  while (workers_ + 1 < region_threads_) {
    try {
      std::thread([this, number = workers_ + 1, seen = region_.load()] { serve(number, seen); }).detach();
    } catch (const std::system_error&) {
      return;
    }
    ++workers_;
  }
}

void ThreadPool::serve(int thread, uint32_t seen) {
  in_region_of_thread = true;
  for (;;) {
    wait_for_change(region_, seen, spins_.load(std::memory_order_relaxed));
    seen = region_.load(std::memory_order_acquire);
    if (!enter()) continue;
    if (thread < region_threads_) work(thread);
    leave();
  }
}

// A region that is closed has no work left, and its caller does not wait for who comes late.
bool ThreadPool::enter() {
  uint32_t inside = inside_.load(std::memory_order_relaxed);
  while (inside & kOpen) {
    if (inside_.compare_exchange_weak(inside, inside + kOne, std::memory_order_acquire)) return true;
  }
  return false;
}

void ThreadPool::leave() {
  if (inside_.fetch_sub(kOne) == kOne) inside_.notify_one();
}

void ThreadPool::work(int thread) {
  try {
    for (int64_t i = items_.take(thread); i >= 0; i = items_.take(thread)) item_(body_, i, thread);
  } catch (...) {
    if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
    items_.drop();
  }
}

}  // namespace nad
