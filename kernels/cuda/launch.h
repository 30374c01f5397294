// The only way a kernel of this folder is started.
//
//   launch(scale_kernel<float>, blocks_for(count, 256), 256, 0, stream, x, factor);
//
// On the device: <<<>>> and a check of cudaGetLastError. Under NAD_HOST_CUDA (see device.h): the same call runs the
// grid on the execution model of tests/host_cuda.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

#if defined(NAD_HOST_CUDA)
#include "host_cuda/launch.h"
#endif

namespace nad::cuda {

// The number of blocks, and the place of the launch for messages. PRECOND: checked by launch(), see below.
class Grid {
 public:
  template <class Integer, class = std::enable_if_t<std::is_integral_v<Integer>>>
  Grid(Integer blocks, const std::source_location& where = std::source_location::current())
      : x_(static_cast<int64_t>(blocks)), where_(where) {}
  Grid(dim3 blocks, const std::source_location& where = std::source_location::current())
      : x_(blocks.x), y_(blocks.y), z_(blocks.z), where_(where) {}
  Grid(int64_t x, int64_t y, int64_t z = 1, const std::source_location& where = std::source_location::current())
      : x_(x), y_(y), z_(z), where_(where) {}
  int64_t x() const { return x_; }
  int64_t y() const { return y_; }
  int64_t z() const { return z_; }
  dim3 size() const { return dim3(static_cast<unsigned>(x_), static_cast<unsigned>(y_), static_cast<unsigned>(z_)); }
  const std::source_location& where() const { return where_; }

 private:
  int64_t x_ = 1, y_ = 1, z_ = 1;
  std::source_location where_;
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Blocks of `threads` threads that cover `count` items, one item per thread.
constexpr int64_t blocks_for(int64_t count, int64_t threads) { return ceil_div(count, threads); }

// Checks the grid (1 <= x < 2^31, 1 <= y, z < 65536) and the block (1 to 1024 threads), and raises the kernel's limit
// of dynamic shared memory where more than 48 KiB are wanted. Throws Error(device).
void prepare_launch(const void* kernel, const Grid& grid, dim3 block, size_t shared_bytes);

// Throws Error(device) with the kernel's name, the place and the shape of the launch.
void check_launch(cudaError_t status, const void* kernel, const Grid& grid, dim3 block, size_t shared_bytes);

// Enqueues kernel(args...) on the stream. shared_bytes: dynamic shared memory per block. Throws Error(device).
// Arguments convert to the kernel's parameter types as in a call.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Grid& grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "launch: the kernel takes another number of arguments");
  const void* address = reinterpret_cast<const void*>(kernel);
  prepare_launch(address, grid, block, shared_bytes);
#if defined(NAD_HOST_CUDA)
  ::host_cuda::launch_kernel(kernel, grid.size(), block, shared_bytes, stream, std::forward<Arguments>(arguments)...);
#else
  kernel<<<grid.size(), block, shared_bytes, stream>>>(std::forward<Arguments>(arguments)...);
#endif
  check_launch(cudaGetLastError(), address, grid, block, shared_bytes);
}

}  // namespace nad::cuda
