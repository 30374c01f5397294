#include <cstdio>

#include "kernels/cuda/backend.h"

#if __has_include(<nvtx3/nvToolsExt.h>) && !defined(NAD_HOST_CUDA)
#include <nvtx3/nvToolsExt.h>
#define NAD_NVTX 1
#endif

#include "engine/error.h"
#include "kernels/backends.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

constexpr int lowest_capability = 80;  // mma.sync on tf32 and bf16, cp.async

// Does nothing; shows whether the build has code for the device.
__global__ void probe_kernel(Global<int> ran) {
  if (global_index() == 0) ran[0] = 1;
}

std::string version_text(int version) {  // 12040 -> "12.4"
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string driver_problem() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  cudaGetLastError();
  if (driver == 0) return "no NVIDIA driver is installed; install one or use device cpu";
  // A runtime works with every driver of its major version.
  if (driver / 1000 < runtime / 1000) {
    return "the driver supports CUDA " + version_text(driver) + ", this build needs " +
           std::to_string(runtime / 1000) + ".0 or later; update the driver or use device cpu";
  }
  return "";
}

std::string architecture_problem(const cudaDeviceProp& device) {
  const int capability = 10 * device.major + device.minor;
  const std::string name = std::string(device.name) + " (sm_" + std::to_string(capability) + ")";
  if (capability < lowest_capability) {
    return name + " is older than sm_" + std::to_string(lowest_capability) +
           ", which this program needs; use device cpu";
  }
  cudaFuncAttributes attributes{};
  const cudaError_t status = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(probe_kernel));
  cudaGetLastError();
  if (status == cudaSuccess) return "";
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction) {
    return "this build has no code for " + name +
           "; configure with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(capability);
  }
  return name + " cannot be used: " + cudaGetErrorString(status);
}

}  // namespace

std::string device_problem(int index) {
  const std::string device = "device cuda:" + std::to_string(index) + ": ";
  const std::string driver = driver_problem();
  if (!driver.empty()) return device + driver;
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaGetLastError();
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    return device + "no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use device cpu";
  }
  if (status != cudaSuccess) return device + cudaGetErrorString(status) + "; use device cpu";
  if (index < 0 || index >= count) {
    return device + "this machine has " + std::to_string(count) + " CUDA device" + (count == 1 ? "" : "s") +
           "; expected an index from 0 to " + std::to_string(count - 1);
  }
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess || cudaSetDevice(index) != cudaSuccess) {
    return device + cudaGetErrorString(cudaGetLastError()) + "; see nvidia-smi, or use device cpu";
  }
  const std::string architecture = architecture_problem(properties);
  return architecture.empty() ? "" : device + architecture;
}

CudaBackend::CudaBackend(int index, const BackendOptions& options)
    : index_(index), graph_(options.graph), allocations_(std::make_shared<uint64_t>(0)), choices_(options.conv) {
  const std::string problem = device_problem(index);
  if (!problem.empty()) throw Error(ErrorKind::device, problem, "", Setting::device);
  use();
  cudaDeviceProp p{};
  NAD_CUDA_CHECK(cudaGetDeviceProperties(&p, index));
  multiprocessors_ = p.multiProcessorCount;
  capability_ = 10 * p.major + p.minor;
  int driver = 0, runtime = 0;
  NAD_CUDA_CHECK(cudaDriverGetVersion(&driver));
  NAD_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  char memory[32];
  std::snprintf(memory, sizeof memory, "%.1f GiB", static_cast<double>(p.totalGlobalMem) / (1 << 30));
  description_ = "cuda:" + std::to_string(index) + " " + p.name + " (sm_" + std::to_string(capability_) + ", " +
                 std::to_string(multiprocessors_) + " multiprocessors, " + memory + ", driver " +
                 version_text(driver) + ", runtime " + version_text(runtime) +
                 (graph_ ? ", captured graph" : ", no graph");
  NAD_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  staging_ = std::make_unique<Staging>(stream_);
  description_ += open_libraries(options.conv) + ")";
}

std::string CudaBackend::open_libraries(ConvChoice conv) {
  if (conv == ConvChoice::handwritten) return "";
  std::string cudnn_problem, cublas_problem;
  cudnn_ = Cudnn::open(stream_, cudnn_problem);
  cublas_ = Cublas::open(stream_, *this, cublas_problem);
  if (conv == ConvChoice::cudnn) {
    const std::string hint = "install it, or use conv handwritten";
    if (!cudnn_) throw Error(ErrorKind::device, "conv cudnn: " + cudnn_problem, hint, Setting::convolutions);
    if (!cublas_) throw Error(ErrorKind::device, "conv cudnn: " + cublas_problem, hint, Setting::convolutions);
  }
  return ", conv " + to_string(conv) + ": " +
         (cudnn_ ? "cuDNN " + cudnn_->version() : "no cuDNN (" + cudnn_problem + ")") + ", " +
         (cublas_ ? "cuBLAS " + cublas_->version() : "no cuBLAS (" + cublas_problem + ")");
}

CudaBackend::~CudaBackend() {
  cudaSetDevice(index_);
  cudaStreamSynchronize(stream_);
  cublas_.reset();
  cudnn_.reset();
  staging_.reset();
  cudaStreamDestroy(stream_);
}

void CudaBackend::use() const { NAD_CUDA_CHECK(cudaSetDevice(index_)); }

std::string CudaBackend::description() const { return description_; }

const OpTable& CudaBackend::ops() const { return cuda::ops(); }
const LearningOps& CudaBackend::learning_ops() const { return cuda::learning_ops(); }

size_t CudaBackend::free_bytes() const {
  use();
  size_t free = 0, total = 0;
  NAD_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

Buffer CudaBackend::allocate(size_t bytes) {
  use();
  const size_t size = bytes ? bytes : 1;
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, size);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error(ErrorKind::memory,
                "cuda:" + std::to_string(index_) + ": out of memory, " + std::to_string(bytes) + " bytes wanted, " +
                    std::to_string(free_bytes()) + " bytes free",
                "use a smaller batch or fewer classes per step", Setting::step_size);
  }
  NAD_CUDA_CHECK(status);
  ++*allocations_;
  Buffer buffer(static_cast<std::byte*>(data), [count = allocations_](std::byte* p) {
    cudaFree(p);
    ++*count;
  });
  NAD_CUDA_CHECK(cudaMemsetAsync(data, 0, size, stream_));
  return buffer;
}

void CudaBackend::upload(void* to, const void* from, size_t bytes) {
  use();
  staging_->upload(to, from, bytes);
}

void CudaBackend::download(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  use();
  NAD_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
  NAD_CUDA_CHECK(cudaStreamSynchronize(stream_));
}

void CudaBackend::copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  use();
  NAD_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
}

void CudaBackend::synchronize() {
  use();
  NAD_CUDA_CHECK(cudaStreamSynchronize(stream_));
}

void CudaBackend::replay(const void* key, const std::function<void()>& step) {
  use();
  if (graph_) {
    graphs_.replay(key, *allocations_, step, stream_);
  } else {
    step();
  }
}

void CudaBackend::begin_range([[maybe_unused]] const std::string& name) {
#ifdef NAD_NVTX
  nvtxRangePushA(name.c_str());
#endif
}

void CudaBackend::end_range() {
#ifdef NAD_NVTX
  nvtxRangePop();
#endif
}

}  // namespace nad::cuda

namespace nad {

std::unique_ptr<Backend> make_cuda_backend(int index, const BackendOptions& options) {
  return std::make_unique<cuda::CudaBackend>(index, options);
}

std::string cuda_problem(int index) { return cuda::device_problem(index); }

}  // namespace nad
