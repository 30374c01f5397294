#include <cuda_runtime.h>
#ifndef NAD_HOST_CUDA
#include <cuda_profiler_api.h>
#endif

#include "bench/device_timer.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/check.h"

namespace nad::bench {

namespace {

class EventTimer : public DeviceTimer {
 public:
  explicit EventTimer(cuda::CudaBackend& backend) : stream_(backend.stream()) {
    cudaDeviceProp properties{};
    NAD_CUDA_CHECK(cudaGetDeviceProperties(&properties, backend.index()));
    flush_bytes_ = 4 * static_cast<size_t>(properties.l2CacheSize);
    flush_ = backend.allocate(flush_bytes_);
    NAD_CUDA_CHECK(cudaEventCreate(&start_));
    NAD_CUDA_CHECK(cudaEventCreate(&end_));
    for (int i = 0; i < 3; ++i) seconds([] {});  // the first pairs take longer than a launch
  }
  ~EventTimer() override {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
  }
  EventTimer(const EventTimer&) = delete;
  EventTimer& operator=(const EventTimer&) = delete;

  double seconds(const std::function<void()>& work) final {
    NAD_CUDA_CHECK(cudaEventRecord(start_, stream_));
    work();
    NAD_CUDA_CHECK(cudaEventRecord(end_, stream_));
    NAD_CUDA_CHECK(cudaEventSynchronize(end_));
    float milliseconds = 0;
    NAD_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start_, end_));
    return static_cast<double>(milliseconds) * 1e-3;
  }

  double cold_seconds(const std::function<void()>& work) override {
    NAD_CUDA_CHECK(cudaMemsetAsync(flush_.get(), 0, flush_bytes_, stream_));
    return seconds(work);
  }

  void profile([[maybe_unused]] bool on) override {
#ifndef NAD_HOST_CUDA
    NAD_CUDA_CHECK(on ? cudaProfilerStart() : cudaProfilerStop());
#endif
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t start_ = nullptr, end_ = nullptr;
  size_t flush_bytes_ = 0;
  Buffer flush_;
};

}  // namespace

std::unique_ptr<DeviceTimer> make_device_timer(Backend& backend) {
  if (backend.name() != "cuda") return nullptr;
  return std::make_unique<EventTimer>(static_cast<cuda::CudaBackend&>(backend));
}

}  // namespace nad::bench
