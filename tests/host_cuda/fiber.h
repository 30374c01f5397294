// A fiber: a function on a stack of its own that can be left in the middle and continued later.
#pragma once

#include <cstddef>

namespace host_cuda {

class Fiber {
 public:
  static constexpr size_t stack_bytes = 256 * 1024;  // mapped, not touched, until a kernel needs it

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next resume() begins function(argument). An unfinished earlier one is forgotten: its stack is not unwound.
  // PRECOND: function lets no exception out.
  void start(void (*function)(void*), void* argument);
  // Runs the fiber until it suspends or returns. A fiber stays on the OS thread that started it.
  void resume();
  // Called inside a fiber: back to whoever resumed it.
  static void suspend();

 private:
  friend struct FiberMain;
  std::byte* mapping_ = nullptr;  // a guard page, then the stack
  void* context_ = nullptr;       // saved stack pointer, or a ucontext_t
  void (*function_)(void*) = nullptr;
  void* argument_ = nullptr;
};

}  // namespace host_cuda
