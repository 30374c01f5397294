// Points NAD_CUDNN and NAD_CUBLAS to the stand-ins where a test runs on the model of the GPU. On a GPU: nothing, the
// libraries are looked for as always.
#pragma once

#include <cstdlib>

namespace vendor_model {

struct Environment {
  Environment() { reset(); }
  static void reset() {
#ifdef NAD_HOST_CUDA
    setenv("NAD_CUDNN", NAD_CUDNN_MODEL, 1);
    setenv("NAD_CUBLAS", NAD_CUBLAS_MODEL, 1);
    unsetenv("NAD_VENDOR_MODEL");
#endif
  }
};

}  // namespace vendor_model
