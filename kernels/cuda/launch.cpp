#include "kernels/cuda/launch.h"

#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "engine/error.h"
#include "kernels/cuda/check.h"

namespace nad::cuda {

namespace {

constexpr size_t default_shared_limit =
    48 * 1024;  // more must be asked for (CUDA C++ programming guide, 7.0 and later)

std::string kernel_name(const void* kernel) {
  const char* mangled = nullptr;
  if (cudaFuncGetName(&mangled, kernel) != cudaSuccess || !mangled) return "kernel";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(mangled, nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 ? name.get() : mangled;
}

std::string describe(const void* kernel, const Grid& grid, dim3 block, size_t shared_bytes) {
  const char* file = std::strrchr(grid.where().file_name(), '/');
  const auto shape = [](int64_t x, int64_t y, int64_t z) {
    return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
  };
  return kernel_name(kernel) + ", grid " + shape(grid.x(), grid.y(), grid.z()) + ", block " +
         shape(block.x, block.y, block.z) + ", " + std::to_string(shared_bytes) +
         " bytes of dynamic shared memory, " + (file ? file + 1 : grid.where().file_name()) + ":" +
         std::to_string(grid.where().line());
}

}  // namespace

void prepare_launch(const void* kernel, const Grid& grid, dim3 block, size_t shared_bytes) {
  const bool grid_ok = grid.x() >= 1 && grid.x() < (int64_t{1} << 31) && grid.y() >= 1 && grid.y() < 65536 &&
                       grid.z() >= 1 && grid.z() < 65536;
  const int64_t threads = int64_t{block.x} * block.y * block.z;
  if (!grid_ok || threads < 1 || threads > 1024 || block.z > 64) {
    throw Error(ErrorKind::device,
                "CUDA: launch of " + describe(kernel, grid, block, shared_bytes) + " is out of range",
                "a grid has 1 to 2^31-1 times 1 to 65535 times 1 to 65535 blocks, a block 1 to 1024 threads");
  }
  if (shared_bytes <= default_shared_limit) return;
  const cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  if (status != cudaSuccess) check_launch(status, kernel, grid, block, shared_bytes);
}

void check_launch(cudaError_t status, const void* kernel, const Grid& grid, dim3 block, size_t shared_bytes) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(ErrorKind::device,
              "CUDA: launch of " + describe(kernel, grid, block, shared_bytes) +
                  " failed: " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")",
              error_hint(status));
}

}  // namespace nad::cuda
