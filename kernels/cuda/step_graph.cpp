#include "kernels/cuda/step_graph.h"

#include "kernels/cuda/check.h"

namespace nad::cuda {

CaptureGuard::CaptureGuard(cudaStream_t stream) : stream_(stream) {
  // Thread-local: what other threads of the process ask of the runtime does not disturb the capture.
  NAD_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  capturing_ = true;
}

CaptureGuard::~CaptureGuard() {
  if (!capturing_) return;
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream_, &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

cudaGraphExec_t CaptureGuard::finish() {
  cudaGraph_t graph = nullptr;
  capturing_ = false;
  NAD_CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
  cudaGraphExec_t exec = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "cudaGraphInstantiate");
  return exec;
}

StepGraphs::~StepGraphs() {
  for (auto& [key, entry] : entries_) forget(entry);
}

void StepGraphs::forget(Entry& entry) {
  if (entry.graph) cudaGraphExecDestroy(entry.graph);
  entry = {};
}

void StepGraphs::replay(const void* key, uint64_t version, const std::function<void()>& step, cudaStream_t stream) {
  Entry& entry = entries_[key];
  if (entry.version != version) forget(entry);
  if (entry.state == State::cold) {
    step();
    entry.version = version;
    entry.state = State::warm;
    return;
  }
  if (entry.state == State::warm) {
    CaptureGuard capture(stream);
    step();
    entry.graph = capture.finish();
    entry.state = State::captured;
  }
  NAD_CUDA_CHECK(cudaGraphLaunch(entry.graph, stream));
  ++launches_;
}

}  // namespace nad::cuda
