// Tensor-core and copy instructions of the host model against plain loops, and their misuse.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "kernels/cuda/mma.h"
#include "tests/host_cuda/testing.h"

using namespace host_cuda;

namespace nad::cuda {
namespace {

// One warp: d [16, 8] += a [16, 16] b [16, 8], fragments gathered element by element as mma.h documents them.
__global__ void multiply_bf16(Global<const bf16> a, Global<const bf16> b, Global<float> d) {
  const int g = lane_index() / 4, t = lane_index() % 4;
  const uint32_t fa[4] = {load<uint32_t>(a, g * 16 + 2 * t), load<uint32_t>(a, (g + 8) * 16 + 2 * t),
                          load<uint32_t>(a, g * 16 + 2 * t + 8), load<uint32_t>(a, (g + 8) * 16 + 2 * t + 8)};
  const auto pair = [&](int k) -> uint32_t {
    return __bfloat16_as_ushort(b[k * 8 + g]) | static_cast<uint32_t>(__bfloat16_as_ushort(b[(k + 1) * 8 + g])) << 16;
  };
  const uint32_t fb[2] = {pair(2 * t), pair(2 * t + 8)};
  float fd[4] = {d[g * 8 + 2 * t], d[g * 8 + 2 * t + 1], d[(g + 8) * 8 + 2 * t], d[(g + 8) * 8 + 2 * t + 1]};
  mma_m16n8k16_bf16(fd, fa, fb);
  store(d, g * 8 + 2 * t, make_float2(fd[0], fd[1]));
  store(d, (g + 8) * 8 + 2 * t, make_float2(fd[2], fd[3]));
}

// The same through shared memory: ldmatrix for a (row-major) and, transposed, for b (row-major).
__global__ void multiply_ldmatrix(Global<const bf16> a, Global<const bf16> b, Global<float> d) {
  NAD_SHARED(bf16, ta, 16 * 16);
  NAD_SHARED(bf16, tb, 16 * 16);  // 16 columns, of which 8 count
  const int lane = lane_index();
  store(ta, 8 * lane, load<uint4>(a, 8 * lane));
  for (int i = lane; i < 256; i += 32) tb[i] = i % 16 < 8 ? static_cast<bf16>(b[i / 16 * 8 + i % 16]) : bf16(0.0f);
  __syncwarp();
  uint32_t fa[4], fb[4];
  ldmatrix_x4(ta, lane % 16 * 16 + lane / 16 * 8, fa);
  ldmatrix_x4_trans(tb, lane % 16 * 16 + lane / 16 * 8, fb);
  float fd[4] = {};
  mma_m16n8k16_bf16(fd, fa, {fb[0], fb[1]});
  const int g = lane / 4, t = lane % 4;
  store(d, g * 8 + 2 * t, make_float2(fd[0], fd[1]));
  store(d, (g + 8) * 8 + 2 * t, make_float2(fd[2], fd[3]));
}

// d [16, 8] = a [16, 8] b [8, 8] in tf32, with or without rounding the operands.
__global__ void multiply_tf32(Global<const float> a, Global<const float> b, Global<float> d, bool rounded) {
  const int g = lane_index() / 4, t = lane_index() % 4;
  const auto bits = [&](float x) { return rounded ? to_tf32(x) : __float_as_uint(x); };
  const uint32_t fa[4] = {bits(a[g * 8 + t]), bits(a[(g + 8) * 8 + t]), bits(a[g * 8 + t + 4]),
                          bits(a[(g + 8) * 8 + t + 4])};
  const uint32_t fb[2] = {bits(b[t * 8 + g]), bits(b[(t + 4) * 8 + g])};
  float fd[4] = {};
  mma_m16n8k8_tf32(fd, fa, fb);
  store(d, g * 8 + 2 * t, make_float2(fd[0], fd[1]));
  store(d, (g + 8) * 8 + 2 * t, make_float2(fd[2], fd[3]));
}

enum Defects { none, no_wait, no_commit, no_barrier, no_second_barrier, wait_too_few };

// y = x through a pipeline of two stages of 128 floats: the copy of the next tile runs while this one is read, each
// thread reading what another thread copied.
__global__ void pipeline(Global<const float> x, Global<float> y, int tiles, int count, int defect) {
  NAD_SHARED(float, stage, 2 * 128);
  const int i = static_cast<int>(threadIdx.x);
  const auto start = [&](int tile) {
    if (tile < tiles)
      cp_async_16_or_zero(stage, tile % 2 * 128 + 4 * i, x, 128 * tile + 4 * i, 128 * tile + 4 * i < count);
    if (defect != no_commit) cp_async_commit();
  };
  start(0);
  for (int tile = 0; tile < tiles; ++tile) {
    start(tile + 1);
    if (defect == wait_too_few) {
      cp_async_wait<2>();
    } else if (defect != no_wait) {
      cp_async_wait<1>();
    }
    if (defect != no_barrier) __syncthreads();
    for (int k = 0; k < 4; ++k) y[128 * tile + 32 * k + i] = stage[tile % 2 * 128 + 32 * k + i];
    if (defect != no_second_barrier) __syncthreads();
  }
}

__global__ void small_copies(Global<const float> x, Global<float> y, int shift) {
  NAD_SHARED(float, tile, 96);
  const int i = static_cast<int>(threadIdx.x);
  cp_async_or_zero<4>(tile, i + shift, x, i, i < 30);
  if (i < 16) cp_async_or_zero<8>(tile, 64 + 2 * i, x, 2 * i + shift, true);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  y[i] = tile[i + shift];
  y[32 + i] = tile[64 + i];
}

std::vector<float> random_values(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& v : values) v = normal(engine);
  return values;
}

std::vector<bf16> to_bf16(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// max |d - a b| over |a| |b|, for a [16, k], b [k, 8]
template <class A>
double worst_error(const std::vector<A>& a, const std::vector<A>& b, const std::vector<float>& d) {
  const size_t k = a.size() / 16;
  double worst = 0;
  for (size_t i = 0; i < 16; ++i) {
    for (size_t j = 0; j < 8; ++j) {
      double sum = 0, bound = 0;
      for (size_t l = 0; l < k; ++l) {
        const double product =
            static_cast<double>(static_cast<float>(a[i * k + l])) * static_cast<float>(b[l * 8 + j]);
        sum += product;
        bound += std::fabs(product);
      }
      worst = std::fmax(worst, std::fabs(d[i * 8 + j] - sum) / bound);
    }
  }
  return worst;
}

}  // namespace
}  // namespace nad::cuda

using namespace nad::cuda;

TEST_CASE("mma of bf16 fragments is the matrix product, exactly with small integers") {
  Fresh fresh;
  std::vector<bf16> a(256), b(128);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>((i * 37 + 11) % 31) - 15;
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>((i * 53 + 5) % 29) - 14;
  std::vector<float> start(128);
  for (size_t i = 0; i < start.size(); ++i) start[i] = static_cast<float>(i);
  for (const Settings& s : all_orders()) {
    settings() = s;
    DeviceArray<bf16> da(a), db(b);
    DeviceArray<float> dd(start), shared(128);
    launch(multiply_bf16, 1, 32, 0, nullptr, da.read_only(), db.read_only(), dd.view());
    launch(multiply_ldmatrix, 1, 32, 0, nullptr, da.read_only(), db.read_only(), shared.view());
    const auto d = dd.download(), e = shared.download();
    for (size_t i = 0; i < 16; ++i) {
      for (size_t j = 0; j < 8; ++j) {
        float sum = 0;
        for (size_t k = 0; k < 16; ++k) sum += static_cast<float>(a[i * 16 + k]) * static_cast<float>(b[k * 8 + j]);
        CHECK(d[i * 8 + j] == sum + start[i * 8 + j]);
        CHECK(e[i * 8 + j] == sum);
      }
    }
  }
}

TEST_CASE("mma of random bf16 and tf32 operands") {
  Fresh fresh;
  const auto a = to_bf16(random_values(256, 1)), b = to_bf16(random_values(128, 2));
  DeviceArray<bf16> da(a), db(b);
  DeviceArray<float> d(std::vector<float>(128, 0.0f));
  launch(multiply_bf16, 1, 32, 0, nullptr, da.read_only(), db.read_only(), d.view());
  CHECK(worst_error(a, b, d.download()) < 1e-7);

  const auto x = random_values(128, 3), y = random_values(64, 4);
  DeviceArray<float> dx(x), dy(y);
  launch(multiply_tf32, 1, 32, 0, nullptr, dx.read_only(), dy.read_only(), d.view(), true);
  const double rounded = worst_error(x, y, d.download());
  launch(multiply_tf32, 1, 32, 0, nullptr, dx.read_only(), dy.read_only(), d.view(), false);
  const double truncated = worst_error(x, y, d.download());
  CHECK(rounded > 1e-6);
  CHECK(rounded < 2 * std::ldexp(1.0, -11));  // half a unit of 10 bits, two operands
  CHECK(truncated > rounded);                 // bits below are lost where a kernel does not round
  CHECK(truncated < 2 * std::ldexp(1.0, -10));
}

TEST_CASE("tf32 rounds to nearest, ties away from zero") {
  const auto rounded = [](uint32_t bits) { return host_cuda::to_tf32(__uint_as_float(bits)); };
  CHECK(rounded(0x3f800000u) == 0x3f800000u);
  CHECK(rounded(0x3f800fffu) == 0x3f800000u);
  CHECK(rounded(0x3f801000u) == 0x3f802000u);
  CHECK(rounded(0xbf801000u) == 0xbf802000u);
  CHECK(rounded(0x3fffffffu) == 0x40000000u);
  CHECK(rounded(0xff800000u) == 0xff800000u);
}

TEST_CASE("a pipeline of asynchronous copies, whole and with each part missing") {
  Fresh fresh;
  const auto values = random_values(5 * 128, 5);
  const int count = 4 * 128 + 60;
  std::vector<float> expected = values;
  std::fill(expected.begin() + count, expected.end(), 0.0f);
  for (const Settings& s : all_orders()) {
    settings() = s;
    DeviceArray<float> x(std::vector<float>(values.begin(), values.begin() + count)), y(5 * 128);
    const auto run = [&](int defect) {
      return finding([&] { launch(pipeline, 1, 32, 0, nullptr, x.read_only(), y.view(), 5, count, defect); });
    };
    CHECK(run(none) == "");
    CHECK(y.download() == expected);
    CHECK(contains(run(no_wait), "not waited for"));
    CHECK(contains(run(no_commit), "not waited for"));
    CHECK(contains(run(wait_too_few), "not waited for"));
    const std::string unordered = run(no_barrier);
    CHECK((contains(unordered, "race in") || contains(unordered, "not waited for") ||
           contains(unordered, "nobody wrote")));
    const std::string overwritten = run(no_second_barrier);
    CHECK((contains(overwritten, "race in") || contains(overwritten, "not waited for")));
  }
}

TEST_CASE("copies of 4 and 8 bytes, zeros where not valid, misaligned targets and sources") {
  Fresh fresh;
  const auto values = random_values(40, 6);
  DeviceArray<float> x(values), y(64);
  launch(small_copies, 1, 32, 0, nullptr, x.read_only(), y.view(), 0);
  const auto out = y.download();
  for (size_t i = 0; i < 32; ++i) {
    CHECK(out[i] == (i < 30 ? values[i] : 0.0f));
    CHECK(out[32 + i] == values[i]);
  }
  CHECK(finding([&] { launch(small_copies, 1, 32, 0, nullptr, x.read_only(), y.view(), 2); }) == "");
  CHECK(
      contains(finding([&] { launch(small_copies, 1, 32, 0, nullptr, x.read_only(), y.view(), 1); }), "misaligned"));
}

TEST_CASE("cp.async of memory that nobody wrote is found where it is waited for") {
  Fresh fresh;
  DeviceArray<float> x(256), y(256);
  CHECK(contains(finding([&] { launch(pipeline, 1, 32, 0, nullptr, x.read_only(), y.view(), 2, 256, 0); }),
                 "which nobody wrote"));
}
