// Devices, kernels' attributes, launches.
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

#include "device.h"

namespace host_cuda {

void require_device() {
  const Settings& s = device().settings;
  if (s.driver_version / 1000 < CUDART_VERSION / 1000) refuse(cudaErrorInsufficientDriver);
  if (s.device_count == 0) refuse(cudaErrorNoDevice);
}

namespace {

std::string kernel_name(const void* kernel) {
  Dl_info info{};
  // A kernel that is local to its file has no name in the program's symbol table.
  if (dladdr(kernel, &info) && info.dli_sname && info.dli_saddr == kernel) return info.dli_sname;
  return "kernel";
}

void check_launch(const Launch& launch) {
  require_device();
  const Settings& s = device().settings;
  if (s.capability < s.built_for) refuse(cudaErrorNoKernelImageForDevice);
  const auto limit = device().shared_limits.find(launch.kernel);
  const size_t granted =
      limit == device().shared_limits.end() ? static_shared_capacity : static_cast<size_t>(limit->second);
  if (launch.shared_bytes > std::max(granted, static_shared_capacity)) {
    refuse(cudaErrorInvalidValue,
           std::to_string(launch.shared_bytes) + " bytes of dynamic shared memory without cudaFuncSetAttribute");
  }
  const uint64_t threads = uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  const bool ok = threads >= 1 && threads <= 1024 && launch.block.z <= 64 && launch.grid.x >= 1 &&
                  launch.grid.y >= 1 && launch.grid.z >= 1 && launch.grid.x <= 0x7fffffffu &&
                  launch.grid.y <= 65535 && launch.grid.z <= 65535;
  if (!ok) refuse(cudaErrorInvalidConfiguration);
}

}  // namespace

void enqueue_launch(const Launch& launch, cudaStream_t stream) {
  guarded([&] {
    check_launch(launch);
    auto operation = std::make_shared<Operation>();
    operation->kind = Operation::Kind::kernel;
    operation->kernel = launch.kernel;
    operation->run = [launch] {
      try {
        device().run_grid(launch);
      } catch (Defect& found) {
        found.text = kernel_name(launch.kernel) + ", " + found.text;
        throw;
      }
    };
    device().enqueue(device().stream(stream), std::move(operation));
  });
}

}  // namespace host_cuda

using host_cuda::device;
using host_cuda::guarded;
using host_cuda::refuse;
using host_cuda::require_device;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  return guarded([&] {
    require_device();
    *count = device().settings.device_count;
  });
}

namespace {
void require_device_number(int number) {
  require_device();
  if (number < 0 || number >= device().settings.device_count) refuse(cudaErrorInvalidDevice);
}
}  // namespace

cudaError_t cudaSetDevice(int number) {
  return guarded([&] { require_device_number(number); });
}

cudaError_t cudaGetDevice(int* number) {
  return guarded([&] {
    require_device();
    *number = 0;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int number) {
  return guarded([&] {
    require_device_number(number);
    *p = cudaDeviceProp{};
    std::snprintf(p->name, sizeof(p->name), "host model of sm_%d", device().settings.capability);
    p->totalGlobalMem = device().settings.memory_bytes;
    p->sharedMemPerBlock = host_cuda::static_shared_capacity;
    p->sharedMemPerBlockOptin = host_cuda::shared_capacity;
    p->sharedMemPerMultiprocessor = host_cuda::shared_capacity + 1024;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->major = device().settings.capability / 10;
    p->minor = device().settings.capability % 10;
    p->multiProcessorCount = 4;  // few, so that grids sized by it stay small
    p->maxThreadsPerMultiProcessor = 2048;
    p->l2CacheSize = 1 << 20;
    p->memoryBusWidth = 512;
    p->asyncEngineCount = 1;
    p->concurrentKernels = 1;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int number) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, number); error != cudaSuccess) return error;
  return guarded([&] {
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock:
        *value = p.maxThreadsPerBlock;
        return;
      case cudaDevAttrClockRate:
      case cudaDevAttrMemoryClockRate:
        *value = 1000000;
        return;
      case cudaDevAttrMultiProcessorCount:
        *value = p.multiProcessorCount;
        return;
      case cudaDevAttrGlobalMemoryBusWidth:
        *value = p.memoryBusWidth;
        return;
      case cudaDevAttrL2CacheSize:
        *value = p.l2CacheSize;
        return;
      case cudaDevAttrComputeCapabilityMajor:
        *value = p.major;
        return;
      case cudaDevAttrComputeCapabilityMinor:
        *value = p.minor;
        return;
      case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = static_cast<int>(p.sharedMemPerMultiprocessor);
        return;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(p.sharedMemPerBlockOptin);
        return;
    }
    refuse(cudaErrorInvalidValue, "an attribute that the model does not know");
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return guarded([&] { *version = device().settings.driver_version; });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return guarded([&] { *version = CUDART_VERSION; });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return guarded([&] {
    require_device();
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return;
    if (value < 0 || value > static_cast<int>(host_cuda::shared_capacity)) refuse(cudaErrorInvalidValue);
    device().shared_limits[kernel] = value;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  return guarded([&] {
    require_device();
    if (device().settings.capability < device().settings.built_for) refuse(cudaErrorNoKernelImageForDevice);
    const auto limit = device().shared_limits.find(kernel);
    const int dynamic =
        limit == device().shared_limits.end() ? static_cast<int>(host_cuda::static_shared_capacity) : limit->second;
    *attributes = {0, 0, 1024, 32, dynamic};
  });
}

cudaError_t cudaFuncGetName(const char** name, const void* kernel) {
  return guarded([&] {
    Dl_info info{};
    if (!dladdr(kernel, &info) || !info.dli_sname || info.dli_saddr != kernel) refuse(cudaErrorInvalidDeviceFunction);
    *name = info.dli_sname;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads, size_t shared) {
  return guarded([&] {
    require_device();
    if (threads < 1 || threads > 1024) refuse(cudaErrorInvalidValue);
    const int by_threads = 2048 / threads;
    const int by_shared = static_cast<int>((host_cuda::shared_capacity + 1024) / (shared + 1024));
    *blocks = std::min({by_threads, by_shared, 32});
  });
}

cudaError_t cudaDeviceReset() {
  return guarded([&] { device().drop_pending(); });
}
