// The CUDA backend on a machine that lacks something, and its account of memory: settings and counts that only the
// model of the device has. The rest: test_cuda_backend.cpp.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "host_cuda/control.h"
#include "kernels/backends.h"
#include "kernels/cuda/backend.h"

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

}  // namespace

TEST_CASE("what can be missing gives one line that says what and what to do") {
  const Fresh fresh;
  host_cuda::Settings& machine = host_cuda::settings();
  SUBCASE("no driver") {
    machine.driver_version = 0;
    CHECK(message("cuda", ErrorKind::device) ==
          "device cuda:0: no NVIDIA driver is installed; install one or use device cpu");
  }
  SUBCASE("old driver") {
    machine.driver_version = 12040;
    CHECK(message("cuda", ErrorKind::device) ==
          "device cuda:0: the driver supports CUDA 12.4, this build needs 13.0 or later; update the driver or use "
          "device cpu");
  }
  SUBCASE("no device") {
    machine.device_count = 0;
    CHECK(message("cuda", ErrorKind::device) ==
          "device cuda:0: no CUDA device is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use device cpu");
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
  CHECK(contains(make_backend("cuda", {.graph = false})->description(), "no graph"));
  for (Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) CHECK(make_backend("cuda")->supports(p));
}

TEST_CASE("memory is given back") {
  const Fresh fresh;
  CudaBackend backend(0);
  const int64_t before = host_cuda::statistics().allocations;
  {
    const Buffer buffer = backend.allocate(1000);
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
                        " bytes free; use a smaller batch or fewer classes per step")
                           .c_str(),
                       Error);
  CHECK_NOTHROW(backend.allocate(1 << 10));  // the failure leaves the device usable
}
