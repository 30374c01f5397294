// The CUDA backend: memory, transfers in order, the captured step. What
// only a model can lack or count is in test_host_cuda_backend.cpp.
#include <numeric>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/check.h"
#include "tests/cuda_main.h"

using namespace nad;
using cuda::CudaBackend;

namespace {

// Default settings before and after a test.
struct Fresh {
  Fresh() { host_cuda::reset(); }
  ~Fresh() { host_cuda::reset(); }
};

std::vector<float> numbers(size_t count, float first) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

std::vector<float> fetch(Backend& backend, const Buffer& buffer, size_t count) {
  std::vector<float> values(count);
  backend.download(values.data(), buffer.get(), count * sizeof(float));
  return values;
}

}  // namespace

TEST_CASE("memory is aligned and zero") {
  const Fresh fresh;
  CudaBackend backend(0);
  const Buffer buffer = backend.allocate(1000);
  CHECK(reinterpret_cast<uintptr_t>(buffer.get()) % 256 == 0);
  CHECK(fetch(backend, buffer, 250) == std::vector<float>(250, 0.0f));
}

TEST_CASE("more memory than there is is an error that leaves the device usable") {
  const Fresh fresh;
  CudaBackend backend(0);
  try {
    backend.allocate(size_t{1} << 50);
    FAIL("2^50 bytes were allocated");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::memory);
  }
  CHECK_NOTHROW(backend.allocate(1 << 10));
}

TEST_CASE("uploads of any size arrive in order while the step runs") {
  const Fresh fresh;
  CudaBackend backend(0);
  for (bool late_first : {false, true}) {
    host_cuda::settings().late_first = late_first;
    for (size_t count : {size_t{1}, cuda::Staging::small_bytes / 4, cuda::Staging::small_bytes / 4 + 1,
                         cuda::Staging::large_bytes / 4 + 3}) {
      CAPTURE(count);
      const Buffer target = backend.allocate(count * sizeof(float)), copy = backend.allocate(count * sizeof(float));
      std::vector<float> source = numbers(count, 1);
      backend.upload(target.get(), source.data(), count * sizeof(float));
      source.assign(count, -1);  // the caller's memory is free at once
      NAD_CUDA_CHECK(cudaMemcpyAsync(copy.get(), target.get(), count * sizeof(float), cudaMemcpyDeviceToDevice,
                                     backend.stream()));
      backend.upload(target.get(), numbers(count, 5).data(), count * sizeof(float));
      CHECK(fetch(backend, copy, count) == numbers(count, 1));
      CHECK(fetch(backend, target, count) == numbers(count, 5));
    }
  }
}

TEST_CASE("more uploads than slots wait for a free slot") {
  const Fresh fresh;
  CudaBackend backend(0);
  constexpr size_t count = 3 * cuda::Staging::small_slots;
  const Buffer target = backend.allocate(count * sizeof(float));
  const std::vector<float> source = numbers(count, 0);
  for (size_t i = 0; i < count; ++i) backend.upload(target.get() + i * sizeof(float), &source[i], sizeof(float));
  CHECK(fetch(backend, target, count) == source);
}

namespace {

// buffer[0 .. count) = buffer[] + 1: shows how often a step ran.
__global__ void increment_kernel(cuda::Global<float> x, int64_t count) {
  const int64_t i = cuda::global_index();
  if (i < count) x[i] += 1.0f;
}

struct Counter {
  explicit Counter(CudaBackend& b) : backend(b), buffer(b.allocate(sizeof(float) * 8)) {}
  void step() {
    cuda::launch(increment_kernel, 1, 32, 0, backend.stream(),
                 cuda::Global<float>(reinterpret_cast<float*>(buffer.get()), 8), 8);
    ++calls;
  }
  void replay() {
    backend.replay(this, [this] { step(); });
  }
  float value() { return fetch(backend, buffer, 1)[0]; }
  CudaBackend& backend;
  Buffer buffer;
  int calls = 0;
};

}  // namespace

TEST_CASE("a step runs eagerly once, is captured the second time and replayed from then on") {
  const Fresh fresh;
  CudaBackend backend(0);
  Counter counter(backend);
  for (int t = 1; t <= 5; ++t) {
    counter.replay();
    CHECK(counter.value() == static_cast<float>(t));
  }
  CHECK(counter.calls == 2);
  CHECK(backend.graph_launches() == 4);
}

TEST_CASE("without graphs every step runs eagerly") {
  const Fresh fresh;
  CudaBackend backend(0, {.graph = false});
  Counter counter(backend);
  for (int t = 0; t < 4; ++t) counter.replay();
  CHECK(counter.calls == 4);
  CHECK(counter.value() == 4.0f);
  CHECK(backend.graph_launches() == 0);
}

TEST_CASE("new memory makes a captured step cold again, another key has its own graph") {
  const Fresh fresh;
  CudaBackend backend(0);
  Counter one(backend), two(backend);
  for (int t = 0; t < 3; ++t) one.replay();
  CHECK(one.calls == 2);
  two.replay();
  CHECK(two.calls == 1);
  CHECK(two.value() == 1.0f);
  { const Buffer other = backend.allocate(64); }
  one.replay();
  CHECK(one.calls == 3);
  CHECK(one.value() == 4.0f);
}

TEST_CASE("a step that fails while it is captured leaves the stream usable") {
  const Fresh fresh;
  CudaBackend backend(0);
  Counter counter(backend);
  counter.replay();
  CHECK_THROWS_AS(backend.replay(&counter, [&] { throw Error(ErrorKind::data, "no"); }), Error);
  counter.replay();
  CHECK(counter.value() == 2.0f);
}

TEST_CASE("waiting for the device inside a captured step is an error in one line") {
  const Fresh fresh;
  CudaBackend backend(0);
  Counter counter(backend);
  counter.replay();
  CHECK_THROWS_AS(backend.replay(&counter, [&] { backend.synchronize(); }), Error);
  counter.step();
  CHECK(counter.value() == 2.0f);
}
