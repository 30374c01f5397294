// What the benchmarks measure with on a device: the timer, and the kernels whose rates are the ceilings.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "bench/device_inputs.h"
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

TEST_CASE("a device makes the inputs of a problem itself") {
  CudaBackend backend(0);
  constexpr int64_t channels = 1000;
  test::Array array = test::make_device_array("x", test::Type::f32, {3, 1, 1, channels}, false, 8, 4);
  CHECK(array.bytes.empty());
  array.key = 7;
  const Buffer memory = backend.allocate(static_cast<size_t>(array.elements()) * sizeof(float));
  for (const test::Content content : {test::Content::zeros, test::Content::uniform, test::Content::rectified}) {
    array.content = content;
    fill_on_device(backend, array, memory.get());
    const std::vector<float> values = fetch(backend, memory, array.elements());
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    const auto zeros = std::count(values.begin(), values.end(), 0.0f);
    const bool uniform = content == test::Content::uniform, rectified = content == test::Content::rectified;
    CHECK(std::all_of(values.begin(), values.end(), [&](float v) { return v < 1 && v >= (uniform ? -1 : 0); }));
    CHECK(std::fabs(mean - (rectified ? 0.25 : 0.0)) < 0.05);
    CHECK(zeros == doctest::Approx(uniform ? 0.0 : rectified ? 0.5 * values.size() : values.size()).epsilon(0.1));
  }

  test::Array positions = test::make_device_array("argmax", test::Type::u8, {1, 1, 1, channels}, false);
  positions.content = test::Content::positions, positions.choices = 9;
  fill_on_device(backend, positions, memory.get());
  std::vector<uint8_t> drawn(static_cast<size_t>(positions.elements()));
  backend.download(drawn.data(), memory.get(), drawn.size());
  CHECK(*std::min_element(drawn.begin(), drawn.end()) == 0);
  CHECK(*std::max_element(drawn.begin(), drawn.end()) == 8);

  fill_with_bf16(backend, memory.get(), channels * sizeof(uint32_t));
  std::vector<uint32_t> pairs(channels);
  backend.download(pairs.data(), memory.get(), channels * sizeof(uint32_t));
  for (uint32_t pair : pairs) {
    for (uint32_t half : {pair << 16, pair & 0xffff0000u}) {
      const float value = std::bit_cast<float>(half);
      CHECK((value >= -1 && value <= 1));
    }
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
