#include "kernels/cuda/cudnn.h"

#include "engine/error.h"
#include "kernels/cuda/shared_library.h"

namespace nad::cuda {

namespace {

constexpr size_t major_version = 9;  // whose binary interface cudnn.h declares

// 8907 is 8.9.7, 91900 is 9.19.0.
size_t major_unit(size_t version) { return version < 10000 ? 1000 : 10000; }

std::string version_text(size_t version) {
  return std::to_string(version / major_unit(version)) + "." + std::to_string(version % major_unit(version) / 100) +
         "." + std::to_string(version % 100);
}

}  // namespace

void find_functions(SharedLibrary& library, CudnnFunctions& f) {
  library.find(f.version, "cudnnGetVersion");
  library.find(f.error_string, "cudnnGetErrorString");
  library.find(f.last_error, "cudnnGetLastErrorString");
  library.find(f.create, "cudnnCreate");
  library.find(f.destroy, "cudnnDestroy");
  library.find(f.set_stream, "cudnnSetStream");
  library.find(f.create_tensor, "cudnnCreateTensorDescriptor");
  library.find(f.destroy_tensor, "cudnnDestroyTensorDescriptor");
  library.find(f.set_tensor, "cudnnSetTensor4dDescriptor");
  library.find(f.create_filter, "cudnnCreateFilterDescriptor");
  library.find(f.destroy_filter, "cudnnDestroyFilterDescriptor");
  library.find(f.set_filter, "cudnnSetFilter4dDescriptor");
  library.find(f.create_convolution, "cudnnCreateConvolutionDescriptor");
  library.find(f.destroy_convolution, "cudnnDestroyConvolutionDescriptor");
  library.find(f.set_convolution, "cudnnSetConvolution2dDescriptor");
  library.find(f.set_groups, "cudnnSetConvolutionGroupCount");
  library.find(f.set_math, "cudnnSetConvolutionMathType");
  library.find(f.forward_algorithms, "cudnnGetConvolutionForwardAlgorithm_v7");
  library.find(f.forward_workspace, "cudnnGetConvolutionForwardWorkspaceSize");
  library.find(f.forward, "cudnnConvolutionForward");
  library.find(f.backward_algorithms, "cudnnGetConvolutionBackwardDataAlgorithm_v7");
  library.find(f.backward_workspace, "cudnnGetConvolutionBackwardDataWorkspaceSize");
  library.find(f.backward, "cudnnConvolutionBackwardData");
}

std::unique_ptr<Cudnn> Cudnn::open(cudaStream_t stream, std::string& problem) {
  std::unique_ptr<Cudnn> cudnn(new Cudnn);
  SharedLibrary library("NAD_CUDNN", "libcudnn.so.9");
  find_functions(library, cudnn->functions_);
  problem = library.problem();
  if (!problem.empty()) return nullptr;
  const CudnnFunctions& f = cudnn->functions_;
  if (f.version() / major_unit(f.version()) != major_version) {
    problem = "cuDNN " + version_text(f.version()) + " was found, version 9 is needed";
    return nullptr;
  }
  int status = f.create(&cudnn->handle_);
  if (status == kCudnnSuccess) status = f.set_stream(cudnn->handle_, stream);
  if (status == kCudnnSuccess) return cudnn;
  problem = "cuDNN " + version_text(f.version()) + " cannot use the device: " + f.error_string(status);
  return nullptr;
}

Cudnn::~Cudnn() {
  if (handle_) functions_.destroy(handle_);
}

std::string Cudnn::version() const { return version_text(functions_.version()); }

void Cudnn::check(int status, const char* call) const {
  if (status == kCudnnSuccess) return;
  char detail[256] = "";
  functions_.last_error(detail, sizeof detail - 1);
  std::string words = detail;
  words = words.substr(0, words.find('\n'));
  throw Error(ErrorKind::device,
              std::string("cuDNN: ") + call + " failed: " + functions_.error_string(status) +
                  (words.empty() ? "" : " (" + words + ")"),
              "use conv handwritten", Setting::convolutions);
}

}  // namespace nad::cuda
