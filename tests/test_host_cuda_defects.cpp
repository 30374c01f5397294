// Kernels with one defect each: the host model must name it. The right version of each must pass.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <set>

#include "tests/host_cuda/testing.h"

using namespace host_cuda;

namespace nad::cuda {
namespace {

__global__ void add_one(Global<const float> x, Global<float> y, int shift) {
  y[static_cast<int>(threadIdx.x) + shift] = x[static_cast<int>(threadIdx.x)] + 1.0f;
}

__global__ void write_plain(float* p, int index) { p[index] = 1.0f; }

__global__ void copy_vector(Global<const float> x, Global<float> y, int first) {
  store(y, 0, load<float4>(x, first));
}

__global__ void shared_index(Global<float> y, int index) {
  NAD_SHARED(float, before, 32);
  NAD_SHARED(float, tile, 32);
  before[threadIdx.x] = 0;
  tile[static_cast<int>(threadIdx.x) + index] = 1;
  y[threadIdx.x] = before[threadIdx.x];
}

__global__ void shared_vector(Global<float> y, int first) {
  NAD_SHARED(float, tile, 64);
  tile[threadIdx.x] = 1;
  tile[threadIdx.x + 32] = 1;
  __syncthreads();
  y[threadIdx.x] = load<float2>(tile, first).x;
}

__global__ void shared_unwritten(Global<float> y, int written) {
  NAD_SHARED(float, tile, 64);
  if (static_cast<int>(threadIdx.x) < written) tile[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// Each thread reads its neighbour's value: right with a barrier in between.
__global__ void rotate(Global<const float> x, Global<float> y, bool barrier) {
  NAD_SHARED(float, tile, 128);
  const unsigned i = threadIdx.x;
  tile[i] = 0;
  __syncthreads();
  tile[i] = x[i];
  if (barrier) __syncthreads();
  y[i] = tile[(i + 1) % blockDim.x];
}

// The next round's write comes while neighbours may still read this round's value.
__global__ void rounds(Global<float> y, bool second_barrier) {
  NAD_SHARED(int, value, 1);
  int sum = 0;
  for (int round = 0; round < 3; ++round) {
    if (threadIdx.x == 0) value[0] = round + 1;
    __syncthreads();
    sum += value[0];
    if (second_barrier) __syncthreads();
  }
  y[threadIdx.x] = static_cast<float>(sum);
}

__global__ void within_warp(Global<float> y, bool barrier) {
  NAD_SHARED(float, tile, 64);
  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (barrier) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

__global__ void global_rotate(Global<float> data, bool barrier) {
  const unsigned i = threadIdx.x;
  const float neighbour = data[(i + 1) % blockDim.x];
  if (barrier) __syncthreads();
  data[i] = neighbour;
}

__global__ void barrier_in_branch(Global<float> y, int kind) {
  if (kind == 1 && threadIdx.x < 16) return;
  if (kind == 2 && threadIdx.x >= 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}

__global__ void shuffle_lanes(Global<int> y, int kind) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (kind == 1 && lane == 7) return;
  if (kind == 2 && lane < 16) {
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, lane, 1);
    return;
  }
  const unsigned mask = kind == 3 ? 0x0000ffffu : kind == 4 ? 0xfffffffeu << lane | 1u << lane : 0xffffffffu;
  y[threadIdx.x] = __shfl_sync(mask, lane, kind >= 4 ? 31 : 0);
}

__global__ void shuffle_from_outside(Global<int> y) {
  if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0x0000ffffu, 1, 20);
}

__global__ void deep_barrier(Global<float> y) {
  NAD_SHARED(float, big, 13 * 1024);
  big[threadIdx.x] = 1;
  y[threadIdx.x] = big[threadIdx.x];
}

}  // namespace
}  // namespace nad::cuda

using namespace nad::cuda;

TEST_CASE("global memory out of bounds: through a view, with the kernel, block and thread in the message") {
  Fresh fresh;
  DeviceArray<float> x(std::vector<float>(64, 1.0f)), y(64);
  CHECK(finding([&] { launch(add_one, 1, 64, 0, nullptr, x.read_only(), y.view(), 0); }) == "");
  const std::string past = finding([&] { launch(add_one, 1, 64, 0, nullptr, x.read_only(), y.view(), 1); });
  CHECK(contains(past, "block (0, 0, 0), thread (63, 0, 0)"));
  CHECK(contains(past, "write of 4 bytes at element 64 of a view of 64 elements"));
  const std::string before = finding([&] { launch(add_one, 1, 64, 0, nullptr, x.read_only(), y.view(), -1); });
  CHECK(contains(before, "write of 4 bytes at element -1"));
  // A view is narrower than its allocation.
  const std::string narrow =
      finding([&] { launch(add_one, 1, 64, 0, nullptr, Global<const float>(x.data(), 60), y.view(), 0); });
  CHECK(contains(narrow, "read of 4 bytes at element 60 of a view of 60"));
  // The model goes on after a finding.
  CHECK(finding([&] { launch(add_one, 1, 64, 0, nullptr, x.read_only(), y.view(), 0); }) == "");
}

TEST_CASE("global memory out of bounds: through a plain pointer, by the guard zones") {
  Fresh fresh;
  DeviceArray<float> x(64), other(64);
  CHECK(finding([&] { launch(write_plain, 1, 1, 0, nullptr, x.data(), 63); }) == "");
  CHECK(contains(finding([&] { launch(write_plain, 1, 1, 0, nullptr, x.data(), 64); }), "0 bytes past its end"));
  CHECK(contains(finding([&] { launch(write_plain, 1, 1, 0, nullptr, x.data(), -1); }), "4 bytes before its start"));
  CHECK(finding([&] { launch(write_plain, 1, 1, 0, nullptr, x.data(), 0); }) == "");
}

TEST_CASE("host memory and freed memory in a kernel") {
  Fresh fresh;
  std::vector<float> host(64, 1.0f);
  DeviceArray<float> y(64);
  const Global<const float> wrong(host.data(), 64);
  CHECK(contains(finding([&] { launch(add_one, 1, 64, 0, nullptr, wrong, y.view(), 0); }), "not the device's"));
  float* gone = nullptr;
  NAD_CUDA_CHECK(cudaMalloc(&gone, 256));
  const Global<const float> stale(gone, 64);
  NAD_CUDA_CHECK(cudaFree(gone));
  CHECK(contains(finding([&] { launch(add_one, 1, 64, 0, nullptr, stale, y.view(), 0); }), "which was freed"));
}

TEST_CASE("reads of global memory that nobody wrote") {
  Fresh fresh;
  DeviceArray<float> x(64), y(64);
  CHECK(contains(finding([&] { launch(add_one, 1, 64, 0, nullptr, x.read_only(), y.view(), 0); }),
                 "which nobody wrote"));
  NAD_CUDA_CHECK(cudaMemset(x.data(), 0, 32 * sizeof(float)));
  CHECK(finding([&] { launch(add_one, 1, 32, 0, nullptr, x.read_only(), y.view(), 0); }) == "");
  CHECK(
      contains(finding([&] { launch(add_one, 1, 33, 0, nullptr, x.read_only(), y.view(), 0); }), "read of byte 128"));
  // What a kernel wrote through a plain pointer counts as written; a copy of unwritten memory does not.
  CHECK(finding([&] { launch(write_plain, 1, 1, 0, nullptr, x.data(), 32); }) == "");
  CHECK(finding([&] { launch(add_one, 1, 33, 0, nullptr, x.read_only(), y.view(), 0); }) == "");
  NAD_CUDA_CHECK(cudaMemcpy(y.data(), x.data(), x.bytes(), cudaMemcpyDeviceToDevice));
  CHECK(contains(finding([&] { launch(add_one, 1, 64, 0, nullptr, y.read_only(), x.view(), 0); }),
                 "which nobody wrote"));
  mark_unwritten(x.data(), 4);
  CHECK(contains(finding([&] { launch(add_one, 1, 1, 0, nullptr, x.read_only(), y.view(), 0); }), "read of byte 0"));
}

TEST_CASE("misaligned vector accesses") {
  Fresh fresh;
  DeviceArray<float> x(std::vector<float>(64, 1.0f)), y(64);
  CHECK(finding([&] { launch(copy_vector, 1, 1, 0, nullptr, x.read_only(), y.view(), 4); }) == "");
  CHECK(contains(finding([&] { launch(copy_vector, 1, 1, 0, nullptr, x.read_only(), y.view(), 2); }), "misaligned"));
  CHECK(contains(finding([&] { launch(copy_vector, 1, 1, 0, nullptr, x.read_only(), y.view(), 61); }),
                 "at element 61"));
  CHECK(finding([&] { launch(shared_vector, 1, 32, 0, nullptr, y.view(), 2); }) == "");
  CHECK(contains(finding([&] { launch(shared_vector, 1, 32, 0, nullptr, y.view(), 3); }), "misaligned"));
}

TEST_CASE("shared memory out of bounds, and read before anybody wrote it") {
  Fresh fresh;
  DeviceArray<float> y(64);
  CHECK(finding([&] { launch(shared_index, 1, 32, 0, nullptr, y.view(), 0); }) == "");
  CHECK(contains(finding([&] { launch(shared_index, 1, 32, 0, nullptr, y.view(), 1); }), "element 32 of tile of 32"));
  CHECK(contains(finding([&] { launch(shared_index, 1, 32, 0, nullptr, y.view(), -1); }), "element -1 of tile"));
  CHECK(finding([&] { launch(shared_unwritten, 1, 64, 0, nullptr, y.view(), 64); }) == "");
  // A block does not see what the block before it left behind.
  CHECK(contains(finding([&] { launch(shared_unwritten, 2, 64, 0, nullptr, y.view(), 63); }), "'tile', byte 252"));
  CHECK(contains(finding([&] { launch(deep_barrier, 1, 32, 0, nullptr, y.view()); }), "exceed 49152 bytes"));
}

TEST_CASE("a missing barrier: named as a race, and visible over lane orders without that") {
  Fresh fresh;
  std::vector<float> values(128);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
  DeviceArray<float> x(values), y(128);
  std::set<std::vector<float>> with, without;
  for (const Settings& s : all_orders()) {
    settings() = s;
    CHECK(finding([&] { launch(rotate, 1, 128, 0, nullptr, x.read_only(), y.view(), true); }) == "");
    with.insert(y.download());
    CHECK(contains(finding([&] { launch(rotate, 1, 128, 0, nullptr, x.read_only(), y.view(), false); }), "race in"));
    settings().races = false;
    CHECK(finding([&] { launch(rotate, 1, 128, 0, nullptr, x.read_only(), y.view(), false); }) == "");
    without.insert(y.download());
  }
  CHECK(with.size() == 1);
  CHECK(without.size() > 1);
}

TEST_CASE("a missing barrier between a read and the next write, and within a warp") {
  Fresh fresh;
  DeviceArray<float> y(64);
  for (const Settings& s : all_orders()) {
    settings() = s;
    CHECK(finding([&] { launch(rounds, 1, 64, 0, nullptr, y.view(), true); }) == "");
    CHECK(y.download() == std::vector<float>(64, 6.0f));
    CHECK(contains(finding([&] { launch(rounds, 1, 64, 0, nullptr, y.view(), false); }), "race in"));
    CHECK(finding([&] { launch(within_warp, 1, 64, 0, nullptr, y.view(), true); }) == "");
    const std::string text = finding([&] { launch(within_warp, 1, 64, 0, nullptr, y.view(), false); });
    CHECK((contains(text, "race in") || contains(text, "which nobody wrote")));
  }
}

TEST_CASE("a missing barrier between global accesses shows over lane orders") {
  Fresh fresh;
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
  std::set<std::vector<float>> with, without;
  for (const Settings& s : all_orders()) {
    settings() = s;
    for (const bool barrier : {true, false}) {
      DeviceArray<float> data(values);
      launch(global_rotate, 1, 64, 0, nullptr, data.view(), barrier);
      (barrier ? with : without).insert(data.download());
    }
  }
  CHECK(with.size() == 1);
  CHECK(without.size() > 1);
}

TEST_CASE("a barrier in divergent code") {
  Fresh fresh;
  DeviceArray<float> y(64);
  for (const Settings& s : all_orders()) {
    settings() = s;
    CHECK(finding([&] { launch(barrier_in_branch, 1, 64, 0, nullptr, y.view(), 0); }) == "");
    const std::string returned = finding([&] { launch(barrier_in_branch, 1, 64, 0, nullptr, y.view(), 1); });
    CHECK(contains(returned, "divergent barrier"));
    CHECK(contains(returned, "thread 0 has returned, thread 16 waits at __syncthreads (test_host_cuda_defects.cpp"));
    const std::string apart = finding([&] { launch(barrier_in_branch, 1, 64, 0, nullptr, y.view(), 2); });
    CHECK(contains(apart, "divergent barrier"));
    CHECK(contains(apart, "thread 32 waits at __syncthreads"));
  }
}

TEST_CASE("shuffles with lanes that are absent, elsewhere or not in the mask") {
  Fresh fresh;
  DeviceArray<int> y(64);
  for (const Settings& s : all_orders()) {
    settings() = s;
    const auto run = [&](int kind, int threads = 64) {
      return finding([&] { launch(shuffle_lanes, 1, threads, 0, nullptr, y.view(), kind); });
    };
    CHECK(run(0) == "");
    // Which lane notices depends on who comes first.
    const auto absent = [](const std::string& text) {
      return contains(text, "which has returned") || contains(text, "not all its lanes come to");
    };
    CHECK(absent(run(1)));
    CHECK(contains(run(2), "not all its lanes come to"));
    CHECK(contains(run(3), "does not name the calling lane"));
    CHECK(absent(run(4)));
    CHECK(contains(run(5, 48), "of a warp that has 16"));
    CHECK(contains(finding([&] { launch(shuffle_from_outside, 1, 32, 0, nullptr, y.view()); }),
                   "reads lane 20, which the mask does not name"));
  }
}

TEST_CASE("device code outside of a kernel") {
  Fresh fresh;
  DeviceArray<float> x(std::vector<float>(4, 1.0f));
  CHECK_THROWS_AS(static_cast<float>(x.view()[0]), const Defect&);
  CHECK_THROWS_AS(__syncthreads(), const Defect&);
}
