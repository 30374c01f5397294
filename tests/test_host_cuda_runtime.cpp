// The host model's runtime: memory, streams, events, graphs, failures of the machine.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/host_cuda/testing.h"

using namespace host_cuda;

namespace nad::cuda {
namespace {

__global__ void scale(Global<float> x, float factor) {
  const int64_t i = global_index();
  x[i] = factor * x[i];
}
__global__ void add(Global<float> x, float term) {
  const int64_t i = global_index();
  x[i] += term;
}
__global__ void step(Global<const float> x, Global<float> y, Global<int> counter) {
  const int64_t i = global_index();
  y[i] = x[i] + static_cast<float>(counter[0]);
  __syncthreads();
  if (i == 0) counter[0] += 1;
}

// Page-locked host memory.
template <class T>
class HostArray {
 public:
  explicit HostArray(size_t count) {
    NAD_CUDA_CHECK(cudaHostAlloc(reinterpret_cast<void**>(&data_), count * sizeof(T), 0));
  }
  ~HostArray() { cudaFreeHost(data_); }
  HostArray(const HostArray&) = delete;
  HostArray& operator=(const HostArray&) = delete;
  T& operator[](size_t i) { return data_[i]; }
  T* data() { return data_; }

 private:
  T* data_ = nullptr;
};

struct Streams {
  cudaStream_t a = nullptr, b = nullptr;
  cudaEvent_t event = nullptr;
  Streams() {
    NAD_CUDA_CHECK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    NAD_CUDA_CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    NAD_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  }
  ~Streams() {
    cudaEventDestroy(event);
    cudaStreamDestroy(b);
    cudaStreamDestroy(a);
  }
};

// Both ways in which unordered streams may run.
template <class Test>
void both_orders(Test test) {
  for (const bool late : {false, true}) {
    Fresh fresh;
    settings().late_first = late;
    test();
  }
}

}  // namespace
}  // namespace nad::cuda

using namespace nad::cuda;

TEST_CASE("asynchronous work is done when somebody waits, not before") {
  Fresh fresh;
  const Streams s;
  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  HostArray<float> out(64), in(64);
  out[0] = -1;
  launch(scale, 1, 64, 0, s.a, x.view(), 3.0f);
  NAD_CUDA_CHECK(cudaMemcpyAsync(out.data(), x.data(), x.bytes(), cudaMemcpyDeviceToHost, s.a));
  CHECK(out[0] == -1);  // a caller that forgets to wait
  CHECK(cudaStreamQuery(s.a) == cudaErrorNotReady);
  NAD_CUDA_CHECK(cudaStreamSynchronize(s.a));
  CHECK(out[0] == 3);
  // Page-locked memory is read when the copy runs; pageable memory when it is enqueued.
  in[0] = 5;
  NAD_CUDA_CHECK(cudaMemcpyAsync(x.data(), in.data(), 4, cudaMemcpyHostToDevice, s.a));
  float pageable = 7;
  NAD_CUDA_CHECK(cudaMemcpyAsync(x.data() + 1, &pageable, 4, cudaMemcpyHostToDevice, s.a));
  in[0] = 6;
  pageable = 8;
  NAD_CUDA_CHECK(cudaStreamSynchronize(s.a));
  CHECK(x.download()[0] == 6);
  CHECK(x.download()[1] == 7);
  settings().eager = true;
  launch(scale, 1, 64, 0, s.a, x.view(), 2.0f);
  NAD_CUDA_CHECK(cudaMemcpyAsync(out.data(), x.data(), 4, cudaMemcpyDeviceToHost, s.a));
  CHECK(out[0] == 12);
}

TEST_CASE("events order streams; without them the model runs either first") {
  for (const bool ordered : {true, false}) {
    std::vector<float> results;
    both_orders([&] {
      const Streams s;
      DeviceArray<float> x(std::vector<float>(64, 1.0f));
      launch(scale, 1, 64, 0, s.a, x.view(), 10.0f);
      NAD_CUDA_CHECK(cudaEventRecord(s.event, s.a));
      if (ordered) NAD_CUDA_CHECK(cudaStreamWaitEvent(s.b, s.event, 0));
      launch(add, 1, 64, 0, s.b, x.view(), 1.0f);
      NAD_CUDA_CHECK(cudaDeviceSynchronize());
      results.push_back(x.download()[0]);
    });
    CHECK(results[0] == 11);
    CHECK(results[1] == (ordered ? 11 : 20));
  }
}

TEST_CASE("the default stream is in order with blocking streams only") {
  both_orders([] {
    cudaStream_t blocking = nullptr;
    NAD_CUDA_CHECK(cudaStreamCreate(&blocking));
    DeviceArray<float> x(std::vector<float>(64, 1.0f));
    launch(scale, 1, 64, 0, blocking, x.view(), 10.0f);
    launch(add, 1, 64, 0, nullptr, x.view(), 1.0f);
    launch(scale, 1, 64, 0, blocking, x.view(), 2.0f);
    NAD_CUDA_CHECK(cudaStreamSynchronize(blocking));
    CHECK(x.download()[0] == 22);
    NAD_CUDA_CHECK(cudaStreamDestroy(blocking));
  });
}

TEST_CASE("events time work, and say when they cannot") {
  Fresh fresh;
  const Streams s;
  cudaEvent_t start = nullptr, end = nullptr;
  NAD_CUDA_CHECK(cudaEventCreate(&start));
  NAD_CUDA_CHECK(cudaEventCreate(&end));
  float ms = -1;
  CHECK(cudaEventElapsedTime(&ms, start, end) == cudaErrorInvalidResourceHandle);
  CHECK(cudaGetLastError() == cudaErrorInvalidResourceHandle);
  DeviceArray<float> x(std::vector<float>(4096, 1.0f));
  NAD_CUDA_CHECK(cudaEventRecord(start, s.a));
  launch(scale, 16, 256, 0, s.a, x.view(), 3.0f);
  NAD_CUDA_CHECK(cudaEventRecord(end, s.a));
  CHECK(cudaEventElapsedTime(&ms, start, end) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end) == cudaSuccess);
  NAD_CUDA_CHECK(cudaEventElapsedTime(&ms, start, end));
  CHECK(ms > 0);
  CHECK(cudaEventElapsedTime(&ms, start, s.event) == cudaErrorInvalidResourceHandle);
  NAD_CUDA_CHECK(cudaEventDestroy(start));
  NAD_CUDA_CHECK(cudaEventDestroy(end));
  CHECK(cudaEventRecord(end, s.a) == cudaErrorInvalidResourceHandle);
  cudaGetLastError();
}

TEST_CASE("a captured graph replays its kernels with the arguments of the capture") {
  both_orders([] {
    const Streams s;
    DeviceArray<float> x(std::vector<float>(64, 1.0f)), y(64);
    DeviceArray<int> counter(std::vector<int>{0});
    HostArray<float> in(64), out(64);
    NAD_CUDA_CHECK(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeGlobal));
    cudaStreamCaptureStatus status;
    NAD_CUDA_CHECK(cudaStreamIsCapturing(s.a, &status));
    CHECK(status == cudaStreamCaptureStatusActive);
    NAD_CUDA_CHECK(cudaMemcpyAsync(x.data(), in.data(), x.bytes(), cudaMemcpyHostToDevice, s.a));
    float factor = 2;
    launch(scale, 1, 64, 0, s.a, x.view(), factor);
    factor = 100;
    launch(step, 1, 64, 0, s.a, x.read_only(), y.view(), counter.view());
    NAD_CUDA_CHECK(cudaMemcpyAsync(out.data(), y.data(), y.bytes(), cudaMemcpyDeviceToHost, s.a));
    cudaGraph_t graph = nullptr;
    NAD_CUDA_CHECK(cudaStreamEndCapture(s.a, &graph));
    size_t nodes = 0;
    NAD_CUDA_CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
    CHECK(nodes == 4);
    cudaGraphExec_t exec = nullptr;
    NAD_CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    NAD_CUDA_CHECK(cudaGraphDestroy(graph));
    CHECK(counter.download()[0] == 0);  // capturing runs nothing
    for (int i = 0; i < 3; ++i) {
      for (size_t k = 0; k < 64; ++k) in[k] = static_cast<float>(10 * i);
      NAD_CUDA_CHECK(cudaGraphLaunch(exec, s.a));
      NAD_CUDA_CHECK(cudaStreamSynchronize(s.a));
      CHECK(out[63] == static_cast<float>(20 * i + i));
    }
    CHECK(counter.download()[0] == 3);
    NAD_CUDA_CHECK(cudaGraphExecDestroy(exec));
  });
}

TEST_CASE("capture follows events into other streams, and wants them back") {
  both_orders([] {
    const Streams s;
    cudaEvent_t back = nullptr;
    NAD_CUDA_CHECK(cudaEventCreateWithFlags(&back, cudaEventDisableTiming));
    DeviceArray<float> x(std::vector<float>(64, 1.0f)), y(std::vector<float>(64, 1.0f));
    const auto capture = [&](bool join, cudaGraph_t* graph) {
      NAD_CUDA_CHECK(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeGlobal));
      launch(scale, 1, 64, 0, s.a, x.view(), 10.0f);
      NAD_CUDA_CHECK(cudaEventRecord(s.event, s.a));
      NAD_CUDA_CHECK(cudaStreamWaitEvent(s.b, s.event, 0));
      launch(add, 1, 64, 0, s.b, x.view(), 1.0f);
      NAD_CUDA_CHECK(cudaEventRecord(back, s.b));
      launch(scale, 1, 64, 0, s.a, y.view(), 3.0f);
      if (join) NAD_CUDA_CHECK(cudaStreamWaitEvent(s.a, back, 0));
      launch(add, 1, 64, 0, s.a, y.view(), 1.0f);
      return cudaStreamEndCapture(s.a, graph);
    };
    cudaGraph_t graph = nullptr;
    CHECK(capture(false, &graph) == cudaErrorStreamCaptureUnjoined);
    CHECK(cudaGetLastError() == cudaErrorStreamCaptureUnjoined);
    NAD_CUDA_CHECK(capture(true, &graph));
    cudaGraphExec_t exec = nullptr;
    NAD_CUDA_CHECK(cudaGraphInstantiate(&exec, graph, 0));
    NAD_CUDA_CHECK(cudaGraphLaunch(exec, s.a));
    NAD_CUDA_CHECK(cudaStreamSynchronize(s.a));
    CHECK(x.download()[0] == 11);
    CHECK(y.download()[0] == 4);
    NAD_CUDA_CHECK(cudaGraphDestroy(graph));
    NAD_CUDA_CHECK(cudaGraphExecDestroy(exec));
    NAD_CUDA_CHECK(cudaEventDestroy(back));
  });
}

TEST_CASE("what a capture forbids is refused, and loses the capture") {
  Fresh fresh;
  const Streams s;
  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  float host[64] = {};
  void* p = nullptr;
  const auto refused = [&](auto forbidden) {
    NAD_CUDA_CHECK(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeGlobal));
    launch(scale, 1, 64, 0, s.a, x.view(), 2.0f);
    const cudaError_t error = forbidden();
    cudaGetLastError();
    cudaGraph_t graph = nullptr;
    const bool lost = cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureInvalidated && !graph;
    cudaGetLastError();
    return lost ? error : cudaErrorUnknown;
  };
  CHECK(refused([&] { return cudaMalloc(&p, 64); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(refused([&] { return cudaFree(x.data()); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(refused([&] { return cudaHostAlloc(&p, 64, 0); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(refused([&] { return cudaDeviceSynchronize(); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(refused([&] { return cudaStreamSynchronize(s.a); }) == cudaErrorStreamCaptureUnsupported);
  CHECK(refused([&] { return cudaMemcpyAsync(x.data(), host, 256, cudaMemcpyHostToDevice, s.a); }) ==
        cudaErrorStreamCaptureUnsupported);
  CHECK(refused([&] {
          NAD_CUDA_CHECK(cudaEventRecord(s.event, s.a));
          return cudaEventSynchronize(s.event);
        }) == cudaErrorCapturedEvent);
  // Allocation during capture, as a user would see it.
  NAD_CUDA_CHECK(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeGlobal));
  try {
    NAD_CUDA_CHECK(cudaMalloc(&p, 64));
    FAIL("cudaMalloc during capture");
  } catch (const nad::Error& error) {
    CHECK(contains(error.what(), "cudaMalloc while a stream captures"));
    CHECK(contains(error.what(), "may only enqueue work"));
  }
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(s.a, &graph) == cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
  // Capture works again afterwards.
  NAD_CUDA_CHECK(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeGlobal));
  NAD_CUDA_CHECK(cudaStreamEndCapture(s.a, &graph));
  NAD_CUDA_CHECK(cudaGraphDestroy(graph));
  CHECK(x.download()[0] == 1);
}

TEST_CASE("a graph is updated in place where only arguments changed") {
  Fresh fresh;
  const Streams s;
  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  const auto capture = [&](float factor, bool other_kernel) {
    cudaGraph_t graph = nullptr;
    NAD_CUDA_CHECK(cudaStreamBeginCapture(s.a, cudaStreamCaptureModeGlobal));
    launch(other_kernel ? add : scale, 1, 64, 0, s.a, x.view(), factor);
    NAD_CUDA_CHECK(cudaStreamEndCapture(s.a, &graph));
    return graph;
  };
  const cudaGraph_t twice = capture(2, false), thrice = capture(3, false), plus = capture(3, true);
  cudaGraphExec_t exec = nullptr;
  NAD_CUDA_CHECK(cudaGraphInstantiate(&exec, twice, 0));
  NAD_CUDA_CHECK(cudaGraphLaunch(exec, s.a));
  cudaGraphExecUpdateResultInfo info;
  NAD_CUDA_CHECK(cudaGraphExecUpdate(exec, thrice, &info));
  CHECK(info.result == cudaGraphExecUpdateSuccess);
  NAD_CUDA_CHECK(cudaGraphLaunch(exec, s.a));
  NAD_CUDA_CHECK(cudaStreamSynchronize(s.a));
  CHECK(x.download()[0] == 6);  // the first launch kept its factor
  CHECK(cudaGraphExecUpdate(exec, plus, &info) == cudaErrorGraphExecUpdateFailure);
  CHECK(info.result == cudaGraphExecUpdateErrorFunctionChanged);
  cudaGetLastError();
  for (const cudaGraph_t graph : {twice, thrice, plus}) NAD_CUDA_CHECK(cudaGraphDestroy(graph));
  NAD_CUDA_CHECK(cudaGraphExecDestroy(exec));
}

TEST_CASE("copies that do not fit, go the wrong way, or outlive their memory") {
  Fresh fresh;
  const Streams s;
  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  std::vector<float> host(128);
  CHECK(contains(finding([&] { NAD_CUDA_CHECK(cudaMemcpy(x.data(), host.data(), 260, cudaMemcpyHostToDevice)); }),
                 "does not fit"));
  CHECK(contains(finding([&] { NAD_CUDA_CHECK(cudaMemcpy(x.data(), host.data(), 8, cudaMemcpyDeviceToHost)); }),
                 "wrong kind"));
  CHECK(contains(finding([&] { NAD_CUDA_CHECK(cudaMemset(host.data(), 0, 8)); }), "not device memory"));
  float* pinned = nullptr;
  NAD_CUDA_CHECK(cudaMallocHost(reinterpret_cast<void**>(&pinned), 256));
  NAD_CUDA_CHECK(cudaMemcpyAsync(x.data(), pinned, 256, cudaMemcpyHostToDevice, s.a));
  NAD_CUDA_CHECK(cudaFreeHost(pinned));  // waits, so the copy is done
  CHECK(cudaFreeHost(pinned) == cudaErrorInvalidValue);
  CHECK(cudaFree(x.data() + 1) == cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_CASE("machines that cannot run: no driver, an old one, no device, no code for it, no memory") {
  Fresh fresh;
  int count = -1;
  const auto message = [&] { return finding([&] { NAD_CUDA_CHECK(cudaGetDeviceCount(&count)); }); };
  CHECK(message() == "");
  CHECK(count == 1);
  settings().driver_version = 0;
  CHECK(contains(message(), "cudaErrorInsufficientDriver"));
  settings().driver_version = 12080;
  CHECK(contains(message(), "update it or use device cpu"));
  settings().driver_version = 13000;
  settings().device_count = 0;
  CHECK(contains(message(), "CUDA_VISIBLE_DEVICES"));
  settings().device_count = 1;
  CHECK(contains(finding([] { NAD_CUDA_CHECK(cudaSetDevice(1)); }), "invalid device ordinal"));

  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  settings().capability = 75;
  const std::string image = finding([&] { launch(scale, 1, 64, 0, nullptr, x.view(), 2.0f); });
  CHECK(contains(image, "no kernel image is available"));
  CHECK(contains(image, "CMAKE_CUDA_ARCHITECTURES"));
  settings().capability = 90;

  size_t free_bytes = 0, total = 0;
  settings().memory_bytes = 1 << 20;
  NAD_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total));
  CHECK(free_bytes == (1 << 20) - 256);
  void* p = nullptr;
  try {
    NAD_CUDA_CHECK(cudaMalloc(&p, 1 << 20));
    FAIL("more memory than there is");
  } catch (const nad::Error& error) {
    CHECK(error.kind() == nad::ErrorKind::memory);
    CHECK(contains(error.what(), "out of memory"));
  }
  settings().failing_allocation = 2;
  NAD_CUDA_CHECK(cudaMalloc(&p, 256));
  NAD_CUDA_CHECK(cudaFree(p));
  CHECK(cudaMalloc(&p, 256) == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaMalloc(&p, 256) == cudaSuccess);
  NAD_CUDA_CHECK(cudaFree(p));
  CHECK(statistics().allocations == 1);
}

TEST_CASE("launches out of range name the kernel's shape and place") {
  Fresh fresh;
  DeviceArray<float> x(std::vector<float>(64, 1.0f));
  const auto text = [&](Grid grid, unsigned threads) {
    return finding([&] { launch(scale, grid, threads, 0, nullptr, x.view(), 2.0f); });
  };
  CHECK(text(1, 64) == "");
  CHECK(contains(text(0, 64), "grid (0, 1, 1), block (64, 1, 1)"));
  CHECK(contains(text(0, 64), "test_host_cuda_runtime.cpp:"));
  CHECK(contains(text(int64_t{1} << 31, 64), "out of range"));
  CHECK(contains(text(Grid(1, 65536), 64), "out of range"));
  CHECK(contains(text(1, 1025), "out of range"));
}
