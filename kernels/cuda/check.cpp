#include "kernels/cuda/check.h"

#include <cstring>
#include <string>

#include "engine/error.h"

namespace nad::cuda {

const char* error_hint(cudaError_t status) {
  switch (status) {
    case cudaErrorNoDevice:
      return "no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use device cpu";
    case cudaErrorInsufficientDriver:
      return "the driver is missing or older than this build; update it or use device cpu";
    case cudaErrorNoKernelImageForDevice:
      return "configure with this device's architecture in CMAKE_CUDA_ARCHITECTURES";
    case cudaErrorMemoryAllocation:
      return "use a smaller batch";
    case cudaErrorStreamCaptureUnsupported:
      return "a captured step may only enqueue work";
    default:
      return "";
  }
}

void check(cudaError_t status, const char* statement, const std::source_location& where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  const char* file = std::strrchr(where.file_name(), '/');
  const std::string text = std::string("CUDA: ") + statement + " failed: " + cudaGetErrorString(status) + " (" +
                           cudaGetErrorName(status) + ", " + (file ? file + 1 : where.file_name()) + ":" +
                           std::to_string(where.line()) + ")";
  if (status == cudaErrorMemoryAllocation) {
    throw Error(ErrorKind::memory, text, error_hint(status), Setting::step_size);
  }
  const bool no_device = status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver;
  throw Error(ErrorKind::device, text, error_hint(status), no_device ? Setting::device : Setting::none);
}

}  // namespace nad::cuda
