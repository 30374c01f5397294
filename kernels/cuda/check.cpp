#include "kernels/cuda/check.h"

#include <cstring>
#include <string>

#include "engine/error.h"

namespace nad::cuda {

const char* error_hint(cudaError_t status) {
  switch (status) {
    case cudaErrorNoDevice:
      return "no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu";
    case cudaErrorInsufficientDriver:
      return "the driver is missing or older than this build; update it or use --device cpu";
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
  throw Error(status == cudaErrorMemoryAllocation ? ErrorKind::memory : ErrorKind::device, text, error_hint(status));
}

}  // namespace nad::cuda
