// What the benchmarks measure with on a device: the timer, and the kernels whose rates are the ceilings.
#include <algorithm>
#include <numeric>

#include "bench/device_timer.h"
#include "bench/roofs.h"
#include "kernels/cuda/backend.h"
#include "tests/cuda_main.h"

using namespace nad;
using namespace nad::bench;
using cuda::CudaBackend;

namespace {

std::vector<float> fetch(Backend& backend, const Buffer& buffer, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  backend.download(values.data(), buffer.get(), values.size() * sizeof(float));
  return values;
}

}  // namespace

TEST_CASE("the ceiling kernels do the multiply-adds that they are counted for") {
  CudaBackend backend(0);
  constexpr int64_t blocks = 2;
  constexpr int rounds = 2;
  for (Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    CAPTURE(to_string(precision));
    // All operands are 1, so every multiply-add adds 1 to a sum. fp32 begins with 0 and adds a * 0 + b = 1.
    const uint32_t one = precision == Precision::bf16 ? 0x3f803f80u : 0x3f800000u;
    const std::vector<uint32_t> ones(kPeakThreads * kPeakOperands, one);
    const Buffer operands = backend.allocate(ones.size() * sizeof(uint32_t));
    const Buffer out = backend.allocate(blocks * kPeakThreads * sizeof(float));
    backend.upload(operands.get(), ones.data(), ones.size() * sizeof(uint32_t));
    const int64_t counted =
        multiply_adds(precision, blocks, rounds, reinterpret_cast<const uint32_t*>(operands.get()),
                      reinterpret_cast<float*>(out.get()), backend.stream());
    const std::vector<float> sums = fetch(backend, out, blocks * kPeakThreads);
    CHECK(std::accumulate(sums.begin(), sums.end(), 0.0) == static_cast<double>(counted));
    CHECK(*std::min_element(sums.begin(), sums.end()) > 0);
  }
}

TEST_CASE("the copy moves every float and nothing behind them") {
  CudaBackend backend(0);
  for (int64_t count : {int64_t{4}, int64_t{4100}, int64_t{8192}}) {
    CAPTURE(count);
    std::vector<float> values(static_cast<size_t>(count));
    std::iota(values.begin(), values.end(), 1.0f);
    const size_t bytes = values.size() * sizeof(float);
    const Buffer from = backend.allocate(bytes), to = backend.allocate(bytes + 64);
    backend.upload(from.get(), values.data(), bytes);
    copy_floats(reinterpret_cast<const float*>(from.get()), reinterpret_cast<float*>(to.get()), count,
                backend.stream());
    values.resize(values.size() + 16);  // zeros
    CHECK(fetch(backend, to, count + 16) == values);
  }
}

TEST_CASE("times are those of the work between the events, cold or not") {
  CudaBackend backend(0);
  const std::unique_ptr<DeviceTimer> timer = make_device_timer(backend);
  REQUIRE(timer);
  CHECK(make_device_timer(*make_backend("cpu")) == nullptr);
  constexpr int64_t count = 1 << 18;
  const Buffer from = backend.allocate(count * sizeof(float)), to = backend.allocate(count * sizeof(float));
  const auto copies = [&](int times) {
    for (int t = 0; t < times; ++t) {
      copy_floats(reinterpret_cast<const float*>(from.get()), reinterpret_cast<float*>(to.get()), count,
                  backend.stream());
    }
  };
  copies(1);
  const double none = timer->seconds([] {}), one = timer->seconds([&] { copies(1); });
  const double many = timer->seconds([&] { copies(20); }), cold = timer->cold_seconds([&] { copies(1); });
  CHECK(none >= 0);
  CHECK(one > none);
  CHECK(many > 3 * one);
  CHECK(cold > 0);
  CHECK(cold < many);
}

TEST_CASE("every precision has its ceiling") {
  CudaBackend backend(0);
  const std::unique_ptr<DeviceTimer> timer = make_device_timer(backend);
  const Roofs roofs = measure_roofs(backend, *timer);
  CHECK(roofs.copy > 0);
  for (Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) CHECK(roofs.flops(precision) > 0);
  CHECK(roofs.flops(Precision::tf32) == roofs.tf32);
  CHECK(roofs.flops(Precision::bf16) == roofs.bf16);
}
