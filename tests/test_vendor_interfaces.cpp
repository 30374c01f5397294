// What kernels/cuda/cudnn.h and cublas.h declare of cuDNN's and cuBLAS's C interfaces, against NVIDIA's headers where
// they are installed, and against the libraries: every function is found, and descriptors are taken as they are
// meant. None of it needs a GPU.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#if defined(NAD_NVIDIA_HEADERS) && __has_include(<cudnn.h>) && __has_include(<cublas_v2.h>)
#include <cublas_v2.h>
#include <cudnn.h>

#include <type_traits>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/shared_library.h"

using namespace nad::cuda;

namespace {

template <class T>
constexpr int kind = std::is_pointer_v<T>          ? 0
                     : std::is_floating_point_v<T> ? 1
                     : std::is_void_v<T>           ? 2
                                                   : 3;

template <class A, class B>
constexpr bool passed_alike() {
  if constexpr (std::is_void_v<A> || std::is_void_v<B>)
    return kind<A> == kind<B>;
  else
    return kind<A> == kind<B> && sizeof(A) == sizeof(B);
}

// Whether a call through a pointer of the first type reaches a function of the second as it should.
template <class Ours, class Theirs>
struct SameCall : std::false_type {};
template <class R, class... A, class S, class... B>
requires(sizeof...(A) == sizeof...(B)) struct SameCall<R (*)(A...), S (*)(B...)>
    : std::bool_constant<passed_alike<R, S>() && (passed_alike<A, B>() && ...)> {
};

#define NAD_SAME_CALL(ours, theirs) static_assert(SameCall<decltype(ours), decltype(&theirs)>::value, #theirs)

NAD_SAME_CALL(CudnnFunctions::version, cudnnGetVersion);
NAD_SAME_CALL(CudnnFunctions::error_string, cudnnGetErrorString);
NAD_SAME_CALL(CudnnFunctions::last_error, cudnnGetLastErrorString);
NAD_SAME_CALL(CudnnFunctions::create, cudnnCreate);
NAD_SAME_CALL(CudnnFunctions::destroy, cudnnDestroy);
NAD_SAME_CALL(CudnnFunctions::set_stream, cudnnSetStream);
NAD_SAME_CALL(CudnnFunctions::create_tensor, cudnnCreateTensorDescriptor);
NAD_SAME_CALL(CudnnFunctions::destroy_tensor, cudnnDestroyTensorDescriptor);
NAD_SAME_CALL(CudnnFunctions::set_tensor, cudnnSetTensor4dDescriptor);
NAD_SAME_CALL(CudnnFunctions::create_filter, cudnnCreateFilterDescriptor);
NAD_SAME_CALL(CudnnFunctions::destroy_filter, cudnnDestroyFilterDescriptor);
NAD_SAME_CALL(CudnnFunctions::set_filter, cudnnSetFilter4dDescriptor);
NAD_SAME_CALL(CudnnFunctions::create_convolution, cudnnCreateConvolutionDescriptor);
NAD_SAME_CALL(CudnnFunctions::destroy_convolution, cudnnDestroyConvolutionDescriptor);
NAD_SAME_CALL(CudnnFunctions::set_convolution, cudnnSetConvolution2dDescriptor);
NAD_SAME_CALL(CudnnFunctions::set_groups, cudnnSetConvolutionGroupCount);
NAD_SAME_CALL(CudnnFunctions::set_math, cudnnSetConvolutionMathType);
NAD_SAME_CALL(CudnnFunctions::forward_algorithms, cudnnGetConvolutionForwardAlgorithm_v7);
NAD_SAME_CALL(CudnnFunctions::forward_workspace, cudnnGetConvolutionForwardWorkspaceSize);
NAD_SAME_CALL(CudnnFunctions::forward, cudnnConvolutionForward);
NAD_SAME_CALL(CudnnFunctions::backward_algorithms, cudnnGetConvolutionBackwardDataAlgorithm_v7);
NAD_SAME_CALL(CudnnFunctions::backward_workspace, cudnnGetConvolutionBackwardDataWorkspaceSize);
NAD_SAME_CALL(CudnnFunctions::backward, cudnnConvolutionBackwardData);

NAD_SAME_CALL(CublasFunctions::status_string, cublasGetStatusString);
NAD_SAME_CALL(CublasFunctions::create, cublasCreate_v2);
NAD_SAME_CALL(CublasFunctions::destroy, cublasDestroy_v2);
NAD_SAME_CALL(CublasFunctions::version, cublasGetVersion_v2);
NAD_SAME_CALL(CublasFunctions::set_stream, cublasSetStream_v2);
NAD_SAME_CALL(CublasFunctions::set_workspace, cublasSetWorkspace_v2);
using Gemm = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*,
                                const void*, cudaDataType, int, const void*, cudaDataType, int, const void*, void*,
                                cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
static_assert(std::is_convertible_v<decltype(static_cast<Gemm>(&cublasGemmEx)), Gemm>);
static_assert(SameCall<decltype(CublasFunctions::gemm), Gemm>::value);

// cudnnConvolutionFwdAlgoPerf_t and its twin, field by field.
template <class Theirs>
constexpr bool same_layout() {
  using Ours = CudnnFunctions::Algorithm;
  return sizeof(Ours) == sizeof(Theirs) && offsetof(Ours, algorithm) == offsetof(Theirs, algo) &&
         offsetof(Ours, status) == offsetof(Theirs, status) && offsetof(Ours, time) == offsetof(Theirs, time) &&
         offsetof(Ours, memory) == offsetof(Theirs, memory) &&
         offsetof(Ours, determinism) == offsetof(Theirs, determinism) &&
         offsetof(Ours, math) == offsetof(Theirs, mathType);
}
static_assert(same_layout<cudnnConvolutionFwdAlgoPerf_t>() && same_layout<cudnnConvolutionBwdDataAlgoPerf_t>());

template <class A, class B>
constexpr bool equal(A ours, B theirs) {
  return static_cast<int>(ours) == static_cast<int>(theirs);
}
static_assert(equal(kCudnnSuccess, CUDNN_STATUS_SUCCESS) && equal(kCudnnFloat, CUDNN_DATA_FLOAT));
static_assert(equal(kCudnnBfloat16, CUDNN_DATA_BFLOAT16) && equal(kCudnnNhwc, CUDNN_TENSOR_NHWC));
static_assert(equal(kCudnnCrossCorrelation, CUDNN_CROSS_CORRELATION) && equal(kCudnnFmaMath, CUDNN_FMA_MATH));
static_assert(equal(kCudnnTensorOpMath, CUDNN_TENSOR_OP_MATH) && equal(kCudnnDeterministic, CUDNN_DETERMINISTIC));
static_assert(equal(kCublasSuccess, CUBLAS_STATUS_SUCCESS) && equal(kCublasNoTranspose, CUBLAS_OP_N));
static_assert(equal(kCublasTranspose, CUBLAS_OP_T) && equal(kCublasFloat, CUDA_R_32F));
static_assert(equal(kCublasBfloat16, CUDA_R_16BF) && equal(kCublasComputeFloat, CUBLAS_COMPUTE_32F));
static_assert(equal(kCublasComputeTf32, CUBLAS_COMPUTE_32F_FAST_TF32));
static_assert(equal(kCublasDefaultAlgorithm, CUBLAS_GEMM_DEFAULT));

}  // namespace

TEST_CASE("cuDNN has every function and takes the descriptors") {
  SharedLibrary library("NAD_CUDNN", "libcudnn.so.9");
  CudnnFunctions f{};
  find_functions(library, f);
  if (!f.version) {
    MESSAGE("skipped: ", library.problem());
    return;
  }
  REQUIRE(library.problem() == "");
  CHECK(f.version() / 10000 == 9);
  void *tensor = nullptr, *filter = nullptr, *convolution = nullptr;
  REQUIRE(f.create_tensor(&tensor) == kCudnnSuccess);
  REQUIRE(f.create_filter(&filter) == kCudnnSuccess);
  REQUIRE(f.create_convolution(&convolution) == kCudnnSuccess);
  for (int type : {kCudnnFloat, kCudnnBfloat16}) {
    CHECK(f.set_tensor(tensor, kCudnnNhwc, type, 2, 24, 9, 8) == kCudnnSuccess);
    CHECK(f.set_filter(filter, type, kCudnnNhwc, 36, 12, 5, 3) == kCudnnSuccess);
  }
  CHECK(f.set_convolution(convolution, 2, 1, 2, 1, 1, 2, kCudnnCrossCorrelation, kCudnnFloat) == kCudnnSuccess);
  CHECK(f.set_groups(convolution, 2) == kCudnnSuccess);
  CHECK(f.set_math(convolution, kCudnnFmaMath) == kCudnnSuccess);
  CHECK(f.set_math(convolution, kCudnnTensorOpMath) == kCudnnSuccess);
  // The output's extents tell whether every argument arrived where it was meant to.
  int (*extents)(void*, void*, void*, int*, int*, int*, int*) = nullptr;
  library.find(extents, "cudnnGetConvolution2dForwardOutputDim");
  const bool found = extents != nullptr;
  REQUIRE(found);
  int n = 0, c = 0, h = 0, w = 0;
  REQUIRE(extents(convolution, tensor, filter, &n, &c, &h, &w) == kCudnnSuccess);
  CHECK(n == 2);
  CHECK(c == 36);
  CHECK(h == (9 + 2 * 2 - 5) / 2 + 1);
  CHECK(w == 8 + 2 * 1 - (2 * (3 - 1) + 1) + 1);
  CHECK(f.destroy_convolution(convolution) == kCudnnSuccess);
  CHECK(f.destroy_filter(filter) == kCudnnSuccess);
  CHECK(f.destroy_tensor(tensor) == kCudnnSuccess);
}

TEST_CASE("cuBLAS has every function") {
  SharedLibrary library("NAD_CUBLAS", "libcublas.so." + std::to_string(CUDART_VERSION / 1000));
  CublasFunctions f{};
  find_functions(library, f);
  if (!f.create) {
    MESSAGE("skipped: ", library.problem());
    return;
  }
  CHECK(library.problem() == "");
  CHECK(std::string(f.status_string(kCublasSuccess)) == "success");
}
#else
TEST_CASE("cuDNN's and cuBLAS's interfaces") { MESSAGE("skipped: their headers are not installed"); }
#endif
