// The host model runs kernels as CUDA does: indices, barriers, shuffles, votes, atomics, shared memory.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <array>
#include <numeric>

#include "kernels/cuda/fill.h"
#include "tests/host_cuda/testing.h"

using namespace host_cuda;

namespace nad::cuda {
namespace {

__global__ void write_indices(Global<int> out) {
  const int block = static_cast<int>(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
  const int thread = static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
  const int threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  out[block * threads + thread] = static_cast<int>(threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z +
                                                   1000 * blockIdx.x + 10000 * blockIdx.y + 100000 * blockIdx.z);
}

// The sum of a block's 256 values: shuffles in a warp, shared memory between warps.
__global__ void sum_block(Global<const float> x, Global<float> sums) {
  NAD_SHARED(float, partial, 8);
  const float mine = warp_sum(static_cast<float>(x[global_index()]));
  if (lane_index() == 0) partial[warp_index()] = mine;
  __syncthreads();
  if (warp_index() > 0) return;
  const float total = warp_sum(lane_index() < 8 ? static_cast<float>(partial[lane_index()]) : 0.0f);
  if (lane_index() == 0) sums[blockIdx.x] = total;
}

__global__ void shuffles(Global<int> out, int width, unsigned mask) {
  const int lane = static_cast<int>(threadIdx.x);
  if (!(mask >> lane & 1)) return;
  out[lane] = __shfl_sync(mask, lane, 3, width);
  out[32 + lane] = __shfl_up_sync(mask, lane, 2, width);
  out[64 + lane] = __shfl_down_sync(mask, lane, 5, width);
  out[96 + lane] = __shfl_xor_sync(mask, lane, 6, width);
  out[128 + lane] = static_cast<int>(__shfl_sync(mask, int64_t{lane} << 40, lane ^ 1, width) >> 40);
}

__global__ void votes(Global<unsigned> out) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  const unsigned ballot = __ballot_sync(half, lane % 3 == 0);
  const int any = __any_sync(full_warp, threadIdx.x == 40), all = __all_sync(full_warp, threadIdx.x < 40);
  const unsigned sum = __reduce_add_sync(full_warp, lane), most = __reduce_max_sync(full_warp, threadIdx.x),
                 least = __reduce_min_sync(full_warp, threadIdx.x);
  const int count = __syncthreads_count(threadIdx.x % 5 == 0), some = __syncthreads_or(threadIdx.x == 63),
            every = __syncthreads_and(threadIdx.x < 64);
  const unsigned packed = static_cast<unsigned>(any) | static_cast<unsigned>(all) << 1 |
                          static_cast<unsigned>(some) << 2 | static_cast<unsigned>(every) << 3;
  const std::array<unsigned, 6> values = {ballot, packed, sum, most, least, static_cast<unsigned>(count)};
  for (int i = 0; i < 6; ++i) out[64 * i + threadIdx.x] = values[static_cast<size_t>(i)];
}

// counts[0] sum, [1] maximum, [2] minimum, [3] exchanged; histogram in shared memory first.
__global__ void count(Global<int> counts, Global<unsigned long long> big, Global<float> real) {
  NAD_SHARED(int, histogram, 4);
  const int i = static_cast<int>(global_index());
  if (threadIdx.x < 4) histogram[threadIdx.x] = 0;
  __syncthreads();
  atomic_add(histogram, i % 4, 1);
  __syncthreads();
  if (threadIdx.x < 4) atomic_add(counts, 4 + threadIdx.x, histogram[threadIdx.x]);
  atomic_add(counts, 0, i);
  atomic_max(counts, 1, i);
  atomic_min(counts, 2, -i);
  if (atomic_cas(counts, 3, 7, 8) == 7) atomic_exchange(counts, 8, 9);
  atomic_add(big, 0, 1ull << 33);
  atomic_add(real, 0, 0.5f);
}

__global__ void reverse_dynamic(Global<int> data, int n) {
  const Shared<int> values = dynamic_shared<int>(16, n);
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) values[i] = data[i];
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) data[i] = values[n - 1 - i];
}

// Views: vectors, subviews, other types, and 16-bit data.
__global__ void use_views(Global<const float> x, Global<float> y, Global<bf16> h) {
  NAD_SHARED(float, tile, 4 * 32);
  const int i = static_cast<int>(threadIdx.x);
  const auto v = load_readonly<float4>(x, 4 * i);
  store(tile, 4 * i, v);
  __syncwarp();
  const auto w = load<float4>(tile + 4, 4 * (i ^ 1) - 4);
  store(y + 4 * i, 0, make_float4(w.w, w.z, w.y, w.x));
  const auto words = view_as<unsigned>(tile);
  if (words[4 * i] == __float_as_uint(v.x)) y[4 * i] += 1000;
  store(h, 2 * i, __floats2bfloat162_rn(v.x, v.y));
  if (static_cast<bf16>(h[2 * i]) != v.x) y[4 * i] *= 2;
}

}  // namespace
}  // namespace nad::cuda

using namespace nad::cuda;

TEST_CASE("every thread of every block runs once, with its own indices") {
  Fresh fresh;
  const dim3 grid(3, 2, 2), block(5, 4, 3);
  for (const Settings& s : all_orders()) {
    settings() = s;
    DeviceArray<int> out(12 * 60);
    launch(write_indices, grid, block, 0, nullptr, out.view());
    const auto values = out.download();
    size_t i = 0;
    for (unsigned bz = 0; bz < 2; ++bz)
      for (unsigned by = 0; by < 2; ++by)
        for (unsigned bx = 0; bx < 3; ++bx)
          for (unsigned z = 0; z < 3; ++z)
            for (unsigned y = 0; y < 4; ++y)
              for (unsigned x = 0; x < 5; ++x)
                REQUIRE(values[i++] == static_cast<int>(x + 10 * y + 100 * z + 1000 * bx + 10000 * by + 100000 * bz));
  }
}

TEST_CASE("a block's sum has the same bytes in every order of lanes and blocks") {
  Fresh fresh;
  std::vector<float> x(5 * 256);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1.0f / static_cast<float>(i + 1) - 0.01f * static_cast<float>(i % 7);
  std::vector<float> first;
  for (const Settings& s : all_orders()) {
    settings() = s;
    DeviceArray<float> in(x), sums(5);
    launch(sum_block, 5, 256, 0, nullptr, in.read_only(), sums.view());
    const auto values = sums.download();
    if (first.empty()) first = values;
    CHECK(values == first);
    for (size_t b = 0; b < 5; ++b) {
      const double expected =
          std::accumulate(x.begin() + static_cast<long>(256 * b), x.begin() + static_cast<long>(256 * b + 256), 0.0);
      CHECK(values[b] == doctest::Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("shuffles read the lane that CUDA's rules name") {
  Fresh fresh;
  for (const Order order : {Order::ascending, Order::shuffled}) {
    for (const unsigned mask : {0xffffffffu, 0x0000ffffu, 0xff00ff00u}) {
      for (const int width : {32, 16, 8}) {
        if (width > 8 && mask != 0xffffffffu && !(width == 16 && mask == 0x0000ffffu)) continue;
        settings().lanes = order;
        DeviceArray<int> out(std::vector<int>(160, -1));
        launch(shuffles, 1, 32, 0, nullptr, out.view(), width, mask);
        const auto values = out.download();
        for (int lane = 0; lane < 32; ++lane) {
          const bool in = mask >> lane & 1;
          const int begin = lane / width * width, end = begin + width;
          const auto at = [&](int row) { return values[static_cast<size_t>(32 * row + lane)]; };
          CHECK(at(0) == (in ? begin + 3 : -1));
          CHECK(at(1) == (in ? (lane - 2 >= begin ? lane - 2 : lane) : -1));
          CHECK(at(2) == (in ? (lane + 5 < end ? lane + 5 : lane) : -1));
          CHECK(at(3) == (in ? lane ^ 6 : -1));
          CHECK(at(4) == (in ? lane ^ 1 : -1));
        }
      }
    }
  }
}

TEST_CASE("votes, warp reductions and barriers that count") {
  Fresh fresh;
  for (const Settings& s : all_orders()) {
    settings() = s;
    DeviceArray<unsigned> out(6 * 64);
    launch(votes, 1, 64, 0, nullptr, out.view());
    const auto values = out.download();
    unsigned thirds = 0;
    for (unsigned lane = 0; lane < 32; lane += 3) thirds |= 1u << lane;
    for (unsigned thread = 0; thread < 64; ++thread) {
      const unsigned warp = thread / 32, half = thread % 32 < 16 ? 0x0000ffffu : 0xffff0000u;
      CHECK(values[thread] == (thirds & half));
      CHECK(values[64 + thread] == (warp == 1 ? 1u | 4u | 8u : 2u | 4u | 8u));
      CHECK(values[128 + thread] == 31 * 16);
      CHECK(values[192 + thread] == 32 * warp + 31);
      CHECK(values[256 + thread] == 32 * warp);
      CHECK(values[320 + thread] == 13);
    }
  }
}

TEST_CASE("atomics in shared and global memory, also between blocks on several threads") {
  Fresh fresh;
  for (const Settings& s : all_orders()) {
    settings() = s;
    DeviceArray<int> counts(std::vector<int>{0, 0, 0, 7, 0, 0, 0, 0, 0});
    DeviceArray<unsigned long long> big(std::vector<unsigned long long>{0});
    DeviceArray<float> real(std::vector<float>{0});
    launch(count, 10, 96, 0, nullptr, counts.view(), big.view(), real.view());
    CHECK(counts.download() == std::vector<int>{960 * 959 / 2, 959, -959, 8, 240, 240, 240, 240, 9});
    CHECK(big.download()[0] == 960ull << 33);
    CHECK(real.download()[0] == 480.0f);
  }
}

TEST_CASE("dynamic shared memory, more than 48 KiB where the launch asks for it") {
  Fresh fresh;
  for (const int n : {1, 100, 50000}) {
    std::vector<int> values(static_cast<size_t>(n));
    std::iota(values.begin(), values.end(), 1);
    DeviceArray<int> data(values);
    launch(reverse_dynamic, 1, 128, 16 + static_cast<size_t>(n) * 4, nullptr, data.view(), n);
    std::vector<int> expected(values.rbegin(), values.rend());
    CHECK(data.download() == expected);
  }
  DeviceArray<int> data(std::vector<int>(1));
  CHECK(contains(finding([&] { launch(reverse_dynamic, 1, 128, 228 * 1024, nullptr, data.view(), 1); }),
                 "invalid argument"));
}

TEST_CASE("vector loads and stores, parts of views, views as another type, bfloat16") {
  Fresh fresh;
  std::vector<float> x(128);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);  // exact in bfloat16
  DeviceArray<float> in(x), out(128);
  DeviceArray<bf16> halves(64);
  launch(use_views, 1, 32, 0, nullptr, in.read_only(), out.view(), halves.view());
  const auto values = out.download();
  const auto h = halves.download();
  for (size_t i = 0; i < 32; ++i) {
    for (size_t k = 0; k < 4; ++k) {
      CHECK(values[4 * i + k] == x[4 * (i ^ 1) + 3 - k] + (k == 0 ? 1000.0f : 0.0f));
    }
    CHECK(static_cast<float>(h[2 * i]) == x[4 * i]);
    CHECK(static_cast<float>(h[2 * i + 1]) == x[4 * i + 1]);
  }
}

TEST_CASE("bfloat16 rounds to nearest even") {
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(1.0f)) == 0x3f80);
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x3f808000u))) == 0x3f80);  // tie, to even
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x3f818000u))) == 0x3f82);
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x3f808001u))) == 0x3f81);
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0x7f7fffffu))) == 0x7f80);  // to infinity
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(0xff800001u))) == 0x7fff);  // NaN
  CHECK(__bfloat16_as_ushort(__float2bfloat16_rz(__uint_as_float(0x3f81ffffu))) == 0x3f81);
}

TEST_CASE("fill writes every element of any alignment, and nothing else") {
  Fresh fresh;
  DeviceArray<float> out(2048);
  for (int64_t first = 0; first < 5; ++first) {
    for (const int64_t count : {0, 1, 2, 3, 4, 5, 7, 8, 255, 1023, 1025}) {
      NAD_CUDA_CHECK(cudaMemset(out.data(), 0, out.bytes()));
      fill(out.data() + first, count, 2.5f, nullptr);
      const auto values = out.download();
      bool right = true;
      for (int64_t i = 0; i < 2048; ++i) {
        right = right && values[static_cast<size_t>(i)] == (i >= first && i < first + count ? 2.5f : 0.0f);
      }
      CHECK_MESSAGE(right, "first " << first << ", count " << count);
    }
  }
}
