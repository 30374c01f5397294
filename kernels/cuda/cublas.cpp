#include "kernels/cuda/cublas.h"

#include "engine/error.h"
#include "kernels/cuda/shared_library.h"

namespace nad::cuda {

namespace {

// What NVIDIA recommends for Hopper. cuBLAS's own allocation would not do: a captured step must not allocate.
constexpr size_t workspace_bytes = size_t{32} << 20;

}  // namespace

void find_functions(SharedLibrary& library, CublasFunctions& f) {
  library.find(f.status_string, "cublasGetStatusString");
  library.find(f.create, "cublasCreate_v2");
  library.find(f.destroy, "cublasDestroy_v2");
  library.find(f.version, "cublasGetVersion_v2");
  library.find(f.set_stream, "cublasSetStream_v2");
  library.find(f.set_workspace, "cublasSetWorkspace_v2");
  library.find(f.gemm, "cublasGemmEx");
}

std::unique_ptr<Cublas> Cublas::open(cudaStream_t stream, Backend& backend, std::string& problem) {
  std::unique_ptr<Cublas> cublas(new Cublas);
  SharedLibrary library("NAD_CUBLAS", "libcublas.so." + std::to_string(CUDART_VERSION / 1000));
  find_functions(library, cublas->functions_);
  problem = library.problem();
  if (!problem.empty()) return nullptr;
  const CublasFunctions& f = cublas->functions_;
  int status = f.create(&cublas->handle_);
  if (status == kCublasSuccess) status = f.set_stream(cublas->handle_, stream);
  if (status == kCublasSuccess) {
    cublas->workspace_ = backend.allocate(workspace_bytes);
    status = f.set_workspace(cublas->handle_, cublas->workspace_.get(), workspace_bytes);
  }
  if (status == kCublasSuccess) return cublas;
  problem = std::string("cuBLAS cannot use the device: ") + f.status_string(status);
  return nullptr;
}

Cublas::~Cublas() {
  if (handle_) functions_.destroy(handle_);
}

std::string Cublas::version() const {  // 130200 -> "13.2.0"
  int version = 0;
  check(functions_.version(handle_, &version), "cublasGetVersion");
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

void Cublas::check(int status, const char* call) const {
  if (status == kCublasSuccess) return;
  throw Error(ErrorKind::device, std::string("cuBLAS: ") + call + " failed: " + functions_.status_string(status),
              "use conv handwritten", Setting::convolutions);
}

}  // namespace nad::cuda
