// The CUDA device as a backend: its stream, memory, transfers and the captured step.
//
// Everything runs in order on one stream. Uploads go through page-locked slots and, where they are large, over a
// second stream into device memory, so that the transfer of the next batch overlaps the step that is still running
// (staging.h). Nothing waits for the device except download() and synchronize().
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engine/context.h"
#include "kernels/backends.h"
#include "kernels/cuda/cublas.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/kernel_choice.h"
#include "kernels/cuda/staging.h"
#include "kernels/cuda/step_graph.h"

namespace nad::cuda {

// Why device `index` cannot be used, in one line with a hint, or "": no driver, too old a driver, no device, an index
// out of range, an architecture before sm_80 or one that this build has no code for.
std::string device_problem(int index);

class CudaBackend : public Backend, public LearningBackend {
 public:
  // graph: replay() captures the step; false runs it eagerly each time (--no-graph).
  // Throws Error(device) with device_problem(), or with what is missing for ConvChoice::cudnn.
  explicit CudaBackend(int index, const BackendOptions& options = {});
  ~CudaBackend() override;
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  std::string name() const override { return "cuda"; }
  // "cuda:0 NVIDIA H200 (sm_90, 132 multiprocessors, 139.7 GiB, driver 13.0, runtime 13.0, captured graph)"
  std::string description() const override;
  const OpTable& ops() const override;
  const LearningOps& learning_ops() const override;
  bool supports(Precision) const override { return true; }
  // cudaMalloc, filled with zeros on the stream. Throws Error(memory) with the bytes wanted and free.
  Buffer allocate(size_t bytes) override;
  size_t free_bytes() const override;
  // Returns as soon as `from` may be changed; the copy is ordered after all work so far and before all later work.
  void upload(void* to, const void* from, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;  // waits
  void copy(void* to, const void* from, size_t bytes) override;
  void synchronize() override;
  bool asynchronous() const override { return true; }
  bool augments() const override { return true; }
  // Cold: runs the step, which loads its kernels. Warm: captures it, instantiates the graph and launches that.
  // Captured: launches it. One graph per key; memory that was allocated or freed since then makes it cold again.
  void replay(const void* key, const std::function<void()>& step) override;
  std::string measured_choices() const override { return choices_.text(); }
  void adopt_choices(const std::string& text) override { choices_.adopt(text); }
  void begin_range(const std::string& name) override;  // NVTX, for Nsight Systems
  void end_range() override;

  cudaStream_t stream() const { return stream_; }
  int index() const { return index_; }
  int multiprocessors() const { return multiprocessors_; }
  int capability() const { return capability_; }  // 90: sm_90
  int64_t graph_launches() const { return graphs_.launches(); }
  KernelChoices& choices() { return choices_; }
  const Cudnn* cudnn() const { return cudnn_.get(); }     // null: hand-written convolutions alone
  const Cublas* cublas() const { return cublas_.get(); }  // null: hand-written linear layers alone

 private:
  void use() const;                             // the calling thread's device
  std::string open_libraries(ConvChoice conv);  // what the description says of them

  int index_;
  bool graph_;
  int multiprocessors_ = 0, capability_ = 0;
  std::string description_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<Staging> staging_;
  StepGraphs graphs_;
  std::shared_ptr<uint64_t> allocations_;  // allocations and frees so far
  KernelChoices choices_;
  std::unique_ptr<Cudnn> cudnn_;
  std::unique_ptr<Cublas> cublas_;
};

// What entries and kernels of this folder get from the context. PRECOND: its backend is a CudaBackend.
inline CudaBackend& backend_of(Context& context) { return static_cast<CudaBackend&>(context.backend()); }
inline cudaStream_t stream_of(Context& context) { return backend_of(context).stream(); }

}  // namespace nad::cuda
