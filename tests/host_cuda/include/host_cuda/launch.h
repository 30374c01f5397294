// Enqueues a kernel with its arguments, which are copied now as CUDA does.
#pragma once

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "host_cuda/runtime_api.h"

namespace host_cuda {

struct Launch {
  const void* kernel = nullptr;
  dim3 grid, block;
  size_t shared_bytes = 0;
  std::function<void()> lane;  // what one thread does
};

// Sets the last error where the launch itself is refused.
void enqueue_launch(const Launch& launch, cudaStream_t stream);

template <class... Parameters, class... Arguments>
void launch_kernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   Arguments&&... arguments) {
  static_assert((!std::is_reference_v<Parameters> && ...), "a kernel takes its arguments by value");
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "kernel arguments are copied to the device as bytes");
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  enqueue_launch({reinterpret_cast<const void*>(kernel), grid, block, shared_bytes,
                  [kernel, values] { std::apply(kernel, values); }},
                 stream);
}

}  // namespace host_cuda
