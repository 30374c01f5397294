#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace host_cuda {

namespace {

// Who runs on this OS thread: the fiber, and where its resume() goes on.
thread_local Fiber* running = nullptr;
thread_local void* resumer = nullptr;

// The address sanitizer must know whose stack is in use.
#if defined(__SANITIZE_ADDRESS__)
struct StackNotes {
  void* fake = nullptr;
  const void* resumer_bottom = nullptr;
  size_t resumer_size = 0;
};
thread_local StackNotes notes;
#endif

void leaving_to([[maybe_unused]] const void* bottom, [[maybe_unused]] size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&notes.fake, bottom, size);
#endif
}
void arrived([[maybe_unused]] bool in_fiber) {
#if defined(__SANITIZE_ADDRESS__)
  if (in_fiber) {
    __sanitizer_finish_switch_fiber(nullptr, &notes.resumer_bottom, &notes.resumer_size);
  } else {
    __sanitizer_finish_switch_fiber(notes.fake, nullptr, nullptr);
  }
#endif
}
void leaving_to_resumer() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, notes.resumer_bottom, notes.resumer_size);
#endif
}

}  // namespace

struct FiberMain {
  [[noreturn]] static void enter() noexcept {
    arrived(true);
    running->function_(running->argument_);
    Fiber::suspend();
    std::abort();  // a finished fiber was resumed
  }
};

#if defined(__x86_64__)

// Saves the registers that a called function must preserve, and takes those of the other side (System V ABI). A
// signal mask is not switched, which is what makes swapcontext slow.
extern "C" void host_cuda_switch(void** save, void* load);
asm(R"(
.text
.globl host_cuda_switch
.hidden host_cuda_switch
.type host_cuda_switch, @function
host_cuda_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size host_cuda_switch, .-host_cuda_switch
)");

namespace {
void switch_to_fiber(void* context) { host_cuda_switch(&resumer, context); }
void switch_to_resumer(void** context) { host_cuda_switch(context, resumer); }

// A stack as host_cuda_switch leaves it: six registers, the address to return to, and the zero that stands for a
// caller, which also puts the stack pointer where a called function expects it: 8 below a multiple of 16.
void* fresh_context(void*, std::byte* stack) {
  auto* top = reinterpret_cast<void**>(stack + Fiber::stack_bytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&FiberMain::enter);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  return top;
}
void free_context(void*) {}
}  // namespace

#else

namespace {
thread_local ucontext_t resumer_context;
void switch_to_fiber(void* context) { swapcontext(&resumer_context, static_cast<ucontext_t*>(context)); }
void switch_to_resumer(void** context) { swapcontext(static_cast<ucontext_t*>(*context), &resumer_context); }
void* fresh_context(void* old, std::byte* stack) {
  auto* context = old ? static_cast<ucontext_t*>(old) : new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = Fiber::stack_bytes;
  context->uc_link = nullptr;
  makecontext(context, reinterpret_cast<void (*)()>(&FiberMain::enter), 0);
  return context;
}
void free_context(void* context) { delete static_cast<ucontext_t*>(context); }
}  // namespace

#endif

Fiber::Fiber() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* p =
      mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  mprotect(p, page, PROT_NONE);  // a stack that grows too far ends the program instead of writing elsewhere
  mapping_ = static_cast<std::byte*>(p);
}

Fiber::~Fiber() {
  free_context(context_);
  munmap(mapping_, static_cast<size_t>(sysconf(_SC_PAGESIZE)) + stack_bytes);
}

void Fiber::start(void (*function)(void*), void* argument) {
  std::byte* stack = mapping_ + sysconf(_SC_PAGESIZE);
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, stack_bytes);
#endif
  function_ = function;
  argument_ = argument;
  context_ = fresh_context(context_, stack);
}

void Fiber::resume() {
  running = this;
  leaving_to(mapping_ + sysconf(_SC_PAGESIZE), stack_bytes);
  switch_to_fiber(context_);
  arrived(false);
  running = nullptr;
}

void Fiber::suspend() {
  Fiber* self = running;
  leaving_to_resumer();
  switch_to_resumer(&self->context_);
  arrived(true);
}

}  // namespace host_cuda
