// cuBLAS, as far as it is used: one product of matrices, and a handle with its workspace. Like cudnn.h, it needs
// neither header nor library to build. https://docs.nvidia.com/cuda/cublas/#cublasgemmex
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <string>

#include "engine/context.h"

namespace nad::cuda {

struct CublasFunctions {
  using Handle = void*;
  const char* (*status_string)(int status);
  int (*create)(Handle* handle);
  int (*destroy)(Handle handle);
  int (*version)(Handle handle, int* version);
  int (*set_stream)(Handle handle, cudaStream_t stream);
  int (*set_workspace)(Handle handle, void* workspace, size_t bytes);
  // C[m, n] = op(A) op(B), column-major
  int (*gemm)(Handle handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha, const void* a,
              int a_type, int lda, const void* b, int b_type, int ldb, const void* beta, void* c, int c_type, int ldc,
              int compute, int algorithm);
};

class SharedLibrary;
void find_functions(SharedLibrary& library, CublasFunctions& functions);

enum CublasValue : int {
  kCublasSuccess = 0,
  kCublasNoTranspose = 0,
  kCublasTranspose = 1,
  kCublasFloat = 0,
  kCublasBfloat16 = 14,
  kCublasComputeFloat = 68,
  kCublasComputeTf32 = 77,
  kCublasDefaultAlgorithm = -1,
};

class Cublas {
 public:
  // Opens libcublas.so of CUDA's major version, or the file that NAD_CUBLAS names. Null, with the reason in
  // `problem`, where it is absent or refuses the device.
  static std::unique_ptr<Cublas> open(cudaStream_t stream, Backend& backend, std::string& problem);
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  const CublasFunctions& functions() const { return functions_; }
  CublasFunctions::Handle handle() const { return handle_; }
  std::string version() const;
  void check(int status, const char* call) const;  // throws Error(device)

 private:
  Cublas() = default;
  CublasFunctions functions_{};
  CublasFunctions::Handle handle_ = nullptr;
  Buffer workspace_;
};

}  // namespace nad::cuda
