// The ceilings of a device, measured in the process that compares with them.
//
//   copy          four 16-byte loads per thread in flight, then four stores
//   fp32          `chains` independent chains of FMA per thread: more than the latency of an FMA needs
//   tf32, bf16    the same with mma.m16n8k8 and m16n8k16 per warp
//
// The multiply-adds run on operands that are drawn at random: on zeros or ones a chip draws less power and may be
// faster than it ever is on data.
#include <bit>
#include <vector>

#include "bench/device_timer.h"
#include "bench/quantile.h"
#include "bench/roofs.h"
#include "engine/rng.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.h"

namespace nad::bench {

using namespace cuda;

namespace {

constexpr int chains = 8, unrolled = 8;
constexpr int copied = 4;  // float4 per thread
constexpr int copy_threads = 256;

__global__ void __launch_bounds__(copy_threads)
    copy_kernel(Global<const float> from, Global<float> to, int64_t quads) {
  const int64_t first = int64_t{blockIdx.x} * copy_threads * copied + threadIdx.x;
  float4 values[copied];
  for (int k = 0; k < copied; ++k) {
    const int64_t i = first + k * copy_threads;
    if (i < quads) values[k] = load<float4>(from, 4 * i);
  }
  for (int k = 0; k < copied; ++k) {
    const int64_t i = first + k * copy_threads;
    if (i < quads) store(to, 4 * i, values[k]);
  }
}

// acc = a * acc + b, thread by thread.
__global__ void __launch_bounds__(kPeakThreads)
    fma_kernel(Global<const uint32_t> operands, Global<float> out, int rounds) {
  const float a = __uint_as_float(operands[kPeakOperands * threadIdx.x]);
  const float b = __uint_as_float(operands[kPeakOperands * threadIdx.x + 1]);
  float acc[chains] = {};
  for (int r = 0; r < rounds; ++r) {
    for (int u = 0; u < unrolled; ++u) {
      for (int k = 0; k < chains; ++k) acc[k] = fmaf(a, acc[k], b);
    }
  }
  float sum = 0;
  for (int k = 0; k < chains; ++k) sum += acc[k];
  out[global_index()] = sum;
}

struct Tf32Mma {
  static constexpr int64_t multiply_adds = 16 * 8 * 8;
  __device__ static void run(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};
struct Bf16Mma {
  static constexpr int64_t multiply_adds = 16 * 8 * 16;
  __device__ static void run(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};

// D += A B, warp by warp.
template <class Mma>
__global__ void __launch_bounds__(kPeakThreads)
    mma_kernel(Global<const uint32_t> operands, Global<float> out, int rounds) {
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; ++i) a[i] = operands[kPeakOperands * threadIdx.x + i];
  for (int i = 0; i < 2; ++i) b[i] = operands[kPeakOperands * threadIdx.x + 4 + i];
  float d[chains][4] = {};
  for (int r = 0; r < rounds; ++r) {
    for (int u = 0; u < unrolled; ++u) {
      for (int k = 0; k < chains; ++k) Mma::run(d[k], a, b);
    }
  }
  float sum = 0;
  for (int k = 0; k < chains; ++k) {
    for (int i = 0; i < 4; ++i) sum += d[k][i];
  }
  out[global_index()] = sum;
}

// Random in [-1, 1), as floats or as pairs of bf16 (its upper half each).
std::vector<uint32_t> random_operands(Precision precision) {
  std::vector<uint32_t> values;
  for (uint64_t i = 0; i < kPeakThreads * kPeakOperands; ++i) {
    const auto bits = [&](uint64_t key) { return std::bit_cast<uint32_t>(2 * random_uniform(key, i) - 1); };
    values.push_back(precision == Precision::bf16 ? (bits(1) >> 16 | (bits(2) & 0xffff0000u)) : bits(1));
  }
  return values;
}

double copy_roof(CudaBackend& backend, DeviceTimer& timer) {
  cudaDeviceProp properties{};
  NAD_CUDA_CHECK(cudaGetDeviceProperties(&properties, backend.index()));
  const int64_t count = 10 * int64_t{properties.l2CacheSize};  // floats: forty L2 caches, 2 GB on an H100
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  const Buffer from = backend.allocate(bytes), to = backend.allocate(bytes);
  std::vector<double> times;
  for (int t = 0; t < 6; ++t) {
    times.push_back(timer.seconds([&] {
      copy_floats(reinterpret_cast<const float*>(from.get()), reinterpret_cast<float*>(to.get()), count,
                  backend.stream());
    }));
  }
  return 2 * static_cast<double>(bytes) / median({times.begin() + 1, times.end()});
}

// Rounds are doubled until a launch takes 2 ms.
double multiply_roof(CudaBackend& backend, DeviceTimer& timer, Precision precision) {
  const int64_t blocks = 4 * int64_t{backend.multiprocessors()};
  const std::vector<uint32_t> values = random_operands(precision);
  const Buffer operands = backend.allocate(values.size() * sizeof(uint32_t));
  const Buffer out = backend.allocate(static_cast<size_t>(blocks) * kPeakThreads * sizeof(float));
  backend.upload(operands.get(), values.data(), values.size() * sizeof(uint32_t));
  int rounds = 1;
  double done = 0;
  const auto launch_seconds = [&] {
    return timer.seconds([&] {
      done = static_cast<double>(multiply_adds(precision, blocks, rounds,
                                               reinterpret_cast<const uint32_t*>(operands.get()),
                                               reinterpret_cast<float*>(out.get()), backend.stream()));
    });
  };
  while (launch_seconds() < 2e-3 && rounds < (1 << 24)) rounds *= 2;
  std::vector<double> times;
  for (int t = 0; t < 5; ++t) times.push_back(launch_seconds());
  return 2 * done / median(times);
}

}  // namespace

void copy_floats(const float* from, float* to, int64_t count, cudaStream_t stream) {
  launch(copy_kernel, blocks_for(count / 4, copy_threads * copied), copy_threads, 0, stream,
         Global<const float>(from, count), Global<float>(to, count), count / 4);
}

int64_t multiply_adds(Precision precision, int64_t blocks, int rounds, const uint32_t* operands, float* out,
                      cudaStream_t stream) {
  const bool fp32 = precision == Precision::fp32, tf32 = precision == Precision::tf32;
  void (*kernel)(Global<const uint32_t>, Global<float>, int) = fma_kernel;
  if (!fp32) kernel = tf32 ? mma_kernel<Tf32Mma> : mma_kernel<Bf16Mma>;
  launch(kernel, blocks, kPeakThreads, 0, stream, Global<const uint32_t>(operands, kPeakThreads * kPeakOperands),
         Global<float>(out, blocks * kPeakThreads), rounds);
  const int64_t threads = blocks * kPeakThreads, steps = int64_t{rounds} * unrolled * chains;
  if (fp32) return threads * steps;
  return threads / warp_size * steps * (tf32 ? Tf32Mma::multiply_adds : Bf16Mma::multiply_adds);
}

Roofs measure_roofs(Backend& backend, DeviceTimer& timer) {
  auto& device = static_cast<CudaBackend&>(backend);
  return {copy_roof(device, timer), multiply_roof(device, timer, Precision::fp32),
          multiply_roof(device, timer, Precision::tf32), multiply_roof(device, timer, Precision::bf16)};
}

}  // namespace nad::bench
