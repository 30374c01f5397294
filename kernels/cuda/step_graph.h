// Steps as CUDA graphs: the same code that runs eagerly is captured once and launched as a whole from then on.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <map>

namespace nad::cuda {

// Captures what is enqueued on a stream between construction and finish(). Without finish() (an exception in between)
// the capture ends and is thrown away, so the stream can be used again.
class CaptureGuard {
 public:
  explicit CaptureGuard(cudaStream_t stream);
  ~CaptureGuard();
  CaptureGuard(const CaptureGuard&) = delete;
  CaptureGuard& operator=(const CaptureGuard&) = delete;
  cudaGraphExec_t finish();  // the instantiated graph, the caller's

 private:
  cudaStream_t stream_;
  bool capturing_ = false;
};

class StepGraphs {
 public:
  ~StepGraphs();
  // What Backend::replay() says. version: changes when addresses that a captured step holds may be gone.
  void replay(const void* key, uint64_t version, const std::function<void()>& step, cudaStream_t stream);
  int64_t launches() const { return launches_; }

 private:
  enum class State : uint8_t { cold, warm, captured };
  struct Entry {
    State state = State::cold;
    uint64_t version = 0;
    cudaGraphExec_t graph = nullptr;
  };
  static void forget(Entry& entry);
  std::map<const void*, Entry> entries_;
  int64_t launches_ = 0;
};

}  // namespace nad::cuda
