// libcublas_model.so: see model.h. One product, op(A) op(B) with A transposed and B not, as kernels/cuda asks for it.
#include "model.h"

using namespace vendor_model;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
};

}  // namespace

extern "C" {

const char* cublasGetStatusString(int) { return "CUBLAS_STATUS_OF_THE_MODEL"; }
int cublasCreate_v2(void** handle) {
  if (misbehaves("no handle")) return failed;
  *handle = new Handle;
  return success;
}
int cublasDestroy_v2(void* handle) {
  delete static_cast<Handle*>(handle);
  return success;
}
int cublasGetVersion_v2(void*, int* version) {
  *version = 130200;
  return success;
}
int cublasSetStream_v2(void* handle, cudaStream_t stream) {
  *static_cast<Handle*>(handle) = {stream, nullptr};  // as cuBLAS: a new stream, the default workspace
  return success;
}
int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
  if (!is_device_memory(workspace, bytes)) return bad_parameter;
  static_cast<Handle*>(handle)->workspace = workspace;
  return success;
}
int cublasGemmEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
                 const void* a, int a_type, int lda, const void* b, int b_type, int ldb, const void* beta, void* c,
                 int c_type, int ldc, int compute, int algorithm) {
  const Handle& h = *static_cast<Handle*>(handle);
  const auto count = [](int rows, int columns) { return static_cast<size_t>(rows) * static_cast<size_t>(columns); };
  const bool good = h.workspace && transpose_a == 1 && transpose_b == 0 && *static_cast<const float*>(alpha) == 1 &&
                    *static_cast<const float*>(beta) == 0 && a_type == b_type && c_type == 0 && lda >= k &&
                    ldb >= k && ldc >= m && algorithm == -1 && (compute == 68 || (compute == 77 && a_type == 0)) &&
                    is_device_memory(a, count(m, lda) * size_of(a_type)) &&
                    is_device_memory(b, count(n, ldb) * size_of(b_type)) && is_device_memory(c, 4 * count(n, ldc));
  if (misbehaves("no run") || !good) return bad_parameter;
  return enqueue(h.stream, [=] {
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < m; ++i) {
        double sum = 0;
        for (int l = 0; l < k; ++l) {
          sum += static_cast<double>(read(a, a_type, count(i, lda) + l)) *
                 static_cast<double>(read(b, b_type, count(j, ldb) + l));
        }
        write(c, c_type, count(j, ldc) + i, static_cast<float>(sum));
      }
    }
  });
}

}  // extern "C"
