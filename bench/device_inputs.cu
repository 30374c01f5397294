// One thread per element, which is all that matters in front of a measurement.
#include "bench/device_inputs.h"
#include "engine/rng.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"

namespace nad::bench {

using namespace cuda;

namespace {

constexpr int threads = 256;

// Uniform in [-1, 1), or its positive part.
__global__ void __launch_bounds__(threads)
    uniform_kernel(Global<float> data, int64_t count, uint64_t key, bool rectified) {
  const int64_t i = global_index();
  if (i >= count) return;
  const float value = 2 * random_uniform(key, static_cast<uint64_t>(i)) - 1;
  data[i] = rectified && value < 0 ? 0.0f : value;
}

__global__ void __launch_bounds__(threads)
    position_kernel(Global<uint8_t> data, int64_t count, uint64_t key, int choices) {
  const int64_t i = global_index();
  if (i < count)
    data[i] = static_cast<uint8_t>(random_bits(key, static_cast<uint64_t>(i)) % static_cast<uint64_t>(choices));
}

// Pairs of bf16, uniform in [-1, 1): the upper halves of two floats.
__global__ void __launch_bounds__(threads) bf16_kernel(Global<uint32_t> pairs, int64_t count) {
  const int64_t i = global_index();
  if (i >= count) return;
  const auto at = static_cast<uint64_t>(2 * i);
  const uint32_t low = __float_as_uint(2 * random_uniform(1, at) - 1);
  const uint32_t high = __float_as_uint(2 * random_uniform(1, at + 1) - 1);
  pairs[i] = low >> 16 | (high & 0xffff0000u);
}

cudaStream_t stream_of(Backend& backend) { return static_cast<CudaBackend&>(backend).stream(); }

}  // namespace

void fill_on_device(Backend& backend, const test::Array& array, std::byte* to) {
  using test::Content;
  const int64_t count = array.elements();
  const cudaStream_t stream = stream_of(backend);
  if (array.content == Content::uniform || array.content == Content::rectified) {
    launch(uniform_kernel, blocks_for(count, threads), threads, 0, stream,
           Global<float>(reinterpret_cast<float*>(to), count), count, array.key, array.content == Content::rectified);
  } else if (array.content == Content::positions) {
    launch(position_kernel, blocks_for(count, threads), threads, 0, stream,
           Global<uint8_t>(reinterpret_cast<uint8_t*>(to), count), count, array.key, array.choices);
  }  // zeros: as the backend's memory comes
}

void fill_with_bf16(Backend& backend, std::byte* to, size_t bytes) {
  const auto count = static_cast<int64_t>(bytes / sizeof(uint32_t));
  if (count == 0) return;
  launch(bf16_kernel, blocks_for(count, threads), threads, 0, stream_of(backend),
         Global<uint32_t>(reinterpret_cast<uint32_t*>(to), count), count);
}

}  // namespace nad::bench
