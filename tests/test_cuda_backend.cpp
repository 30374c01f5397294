// The CUDA backend on the host model of the device: memory, transfers in order, the captured step, and one clear
// message for everything that can be missing.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <numeric>

#include "host_cuda/control.h"
#include "kernels/backends.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/check.h"

using namespace nad;
using cuda::CudaBackend;

namespace {

// Default settings before and after a test.
struct Fresh {
  Fresh() { host_cuda::reset(); }
  ~Fresh() { host_cuda::reset(); }
};

std::string message(const std::string& device, ErrorKind kind) {
  try {
    make_backend(device);
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

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

TEST_CASE("what can be missing gives one line that says what and what to do") {
  const Fresh fresh;
  host_cuda::Settings& machine = host_cuda::settings();
  SUBCASE("no driver") {
    machine.driver_version = 0;
    CHECK(message("cuda", ErrorKind::device) ==
          "device cuda:0: no NVIDIA driver is installed; install one or use --device cpu");
  }
  SUBCASE("old driver") {
    machine.driver_version = 12040;
    CHECK(message("cuda", ErrorKind::device) ==
          "device cuda:0: the driver supports CUDA 12.4, this build needs 13.0 or later; update the driver or use "
          "--device cpu");
  }
  SUBCASE("no device") {
    machine.device_count = 0;
    CHECK(message("cuda", ErrorKind::device) ==
          "device cuda:0: no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --device cpu");
  }
  SUBCASE("index out of range") {
    CHECK(message("cuda:3", ErrorKind::device) ==
          "device cuda:3: this machine has 1 CUDA device; expected an index from 0 to 0");
  }
  SUBCASE("index that is no number") {
    for (const char* name : {"cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
      CHECK(contains(message(name, ErrorKind::usage), "expected cuda:I with I = 0, 1, ..."));
    }
  }
  SUBCASE("old device") {
    machine.capability = 75;
    machine.built_for = 75;
    CHECK(contains(message("cuda", ErrorKind::device), "(sm_75) is older than sm_80, which this program needs"));
  }
  SUBCASE("architecture that was not built") {
    machine.capability = 86;
    machine.built_for = 90;
    const std::string text = message("cuda", ErrorKind::device);
    CHECK(contains(text, "this build has no code for"));
    CHECK(contains(text, "configure with -DCMAKE_CUDA_ARCHITECTURES=86"));
  }
}

TEST_CASE("auto takes the device, and says why where it does not") {
  const Fresh fresh;
  CHECK(choose_device().name == "cuda:0");
  CHECK(make_backend("auto")->name() == "cuda");
  CHECK(backend_names().back() == "cuda");
  host_cuda::settings().device_count = 0;
  CHECK(choose_device().name == "cpu");
  CHECK(choose_device().reason == "auto takes cpu: device cuda:0: no CUDA device is visible");
  CHECK(make_backend("auto")->name() == "cpu");
  CHECK(backend_names().back() == "cpu");
}

TEST_CASE("the description names the device and its versions") {
  const Fresh fresh;
  CHECK(make_backend("cuda:0")->description() ==
        "cuda:0 host model of sm_90 (sm_90, 4 multiprocessors, 8.0 GiB, driver 13.0, runtime 13.0, captured graph)");
  CHECK(contains(make_backend("cuda", 0, false)->description(), "no graph"));
  for (Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) CHECK(make_backend("cuda")->supports(p));
}

TEST_CASE("memory is aligned, zero and given back") {
  const Fresh fresh;
  CudaBackend backend(0);
  const int64_t before = host_cuda::statistics().allocations;
  {
    const Buffer buffer = backend.allocate(1000);
    CHECK(reinterpret_cast<uintptr_t>(buffer.get()) % 256 == 0);
    CHECK(fetch(backend, buffer, 250) == std::vector<float>(250, 0.0f));
    CHECK(host_cuda::statistics().allocations == before + 1);
  }
  CHECK(host_cuda::statistics().allocations == before);
}

TEST_CASE("out of memory says how much was wanted and how much is free") {
  const Fresh fresh;
  CudaBackend backend(0);
  host_cuda::settings().memory_bytes = size_t{1} << 20;
  const std::string free = std::to_string(backend.free_bytes());
  CHECK_THROWS_WITH_AS(backend.allocate(size_t{2} << 20),
                       ("cuda:0: out of memory, 2097152 bytes wanted, " + free +
                        " bytes free; use a smaller --batch or fewer --classes-per-step")
                           .c_str(),
                       Error);
  CHECK_NOTHROW(backend.allocate(1 << 10));  // the failure leaves the device usable
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
  CudaBackend backend(0, false);
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
