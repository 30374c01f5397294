// cuDNN 9, as far as it is used: its C interface for convolutions, and a handle. Neither its headers nor the library
// are needed to build; tests/test_vendor_interfaces.cpp compares what is declared here with both where they are.
// https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-cnn-library.html
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <string>

namespace nad::cuda {

// ---- the C interface: enumerations are int, every handle and descriptor is a pointer ------------------------------
struct CudnnFunctions {
  using Pointer = void*;  // cudnnHandle_t and every descriptor
  // cudnnConvolutionFwdAlgoPerf_t and cudnnConvolutionBwdDataAlgoPerf_t
  struct Algorithm {
    int algorithm, status;
    float time;
    size_t memory;
    int determinism, math;
    int reserved[3];
  };

  size_t (*version)();
  const char* (*error_string)(int status);
  void (*last_error)(char* message, size_t size);
  int (*create)(Pointer* handle);
  int (*destroy)(Pointer handle);
  int (*set_stream)(Pointer handle, cudaStream_t stream);
  int (*create_tensor)(Pointer* descriptor);
  int (*destroy_tensor)(Pointer descriptor);
  int (*set_tensor)(Pointer descriptor, int format, int type, int n, int c, int h, int w);
  int (*create_filter)(Pointer* descriptor);
  int (*destroy_filter)(Pointer descriptor);
  int (*set_filter)(Pointer descriptor, int type, int format, int k, int c, int h, int w);
  int (*create_convolution)(Pointer* descriptor);
  int (*destroy_convolution)(Pointer descriptor);
  int (*set_convolution)(Pointer descriptor, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                         int dilation_w, int mode, int compute_type);
  int (*set_groups)(Pointer convolution, int groups);
  int (*set_math)(Pointer convolution, int math);
  int (*forward_algorithms)(Pointer handle, Pointer x, Pointer filter, Pointer convolution, Pointer y, int most,
                            int* count, Algorithm* found);
  int (*forward_workspace)(Pointer handle, Pointer x, Pointer filter, Pointer convolution, Pointer y, int algorithm,
                           size_t* bytes);
  int (*forward)(Pointer handle, const void* alpha, Pointer x, const void* x_data, Pointer filter,
                 const void* filter_data, Pointer convolution, int algorithm, void* workspace, size_t workspace_bytes,
                 const void* beta, Pointer y, void* y_data);
  int (*backward_algorithms)(Pointer handle, Pointer filter, Pointer dy, Pointer convolution, Pointer dx, int most,
                             int* count, Algorithm* found);
  int (*backward_workspace)(Pointer handle, Pointer filter, Pointer dy, Pointer convolution, Pointer dx,
                            int algorithm, size_t* bytes);
  int (*backward)(Pointer handle, const void* alpha, Pointer filter, const void* filter_data, Pointer dy,
                  const void* dy_data, Pointer convolution, int algorithm, void* workspace, size_t workspace_bytes,
                  const void* beta, Pointer dx, void* dx_data);
};

class SharedLibrary;
void find_functions(SharedLibrary& library, CudnnFunctions& functions);

enum CudnnValue : int {
  kCudnnSuccess = 0,
  kCudnnFloat = 0,
  kCudnnBfloat16 = 9,
  kCudnnNhwc = 1,
  kCudnnCrossCorrelation = 1,
  kCudnnTensorOpMath = 1,
  kCudnnFmaMath = 3,
  kCudnnDeterministic = 1,
};

// ---- the library on a stream --------------------------------------------------------------------------------------
class Cudnn {
 public:
  // Opens libcudnn.so.9, or the file that NAD_CUDNN names. Null, with the reason in `problem`, where it is absent, of
  // another major version or refuses the device.
  static std::unique_ptr<Cudnn> open(cudaStream_t stream, std::string& problem);
  ~Cudnn();
  Cudnn(const Cudnn&) = delete;
  Cudnn& operator=(const Cudnn&) = delete;

  const CudnnFunctions& functions() const { return functions_; }
  CudnnFunctions::Pointer handle() const { return handle_; }
  std::string version() const;  // "9.19.0"
  // Throws Error(device) with the call and cuDNN's own words.
  void check(int status, const char* call) const;

 private:
  Cudnn() = default;
  CudnnFunctions functions_{};
  CudnnFunctions::Pointer handle_ = nullptr;
};

}  // namespace nad::cuda
