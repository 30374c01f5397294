// data[i] = value, i < count.
//
// One thread writes four adjacent floats with one 16-byte store. The floats before the first 16-byte boundary and
// after the last one are written singly, by the first threads of the grid.
#include <algorithm>

#include "kernels/cuda/device.h"
#include "kernels/cuda/fill.h"
#include "kernels/cuda/launch.h"

namespace nad::cuda {

namespace {

constexpr int threads = 256;

// PRECOND: data + head is 16-byte aligned, head + 4 * quads <= count < head + 4 * quads + 4, head < 4.
__global__ void __launch_bounds__(threads)
    fill_kernel(Global<float> data, int64_t count, int head, int64_t quads, float value) {
  const int64_t i = global_index();
  if (i < head) data[i] = value;
  if (i < count - head - 4 * quads) data[head + 4 * quads + i] = value;
  if (i < quads) store(data, head + 4 * i, make_float4(value, value, value, value));
}

}  // namespace

void fill(float* data, int64_t count, float value, cudaStream_t stream) {
  if (count == 0) return;
  const auto misaligned = static_cast<int64_t>(reinterpret_cast<uintptr_t>(data) % 16 / sizeof(float));
  const int64_t head = std::min<int64_t>(count, (4 - misaligned) % 4);
  const int64_t quads = (count - head) / 4;
  launch(fill_kernel, blocks_for(std::max<int64_t>(quads, 4), threads), threads, 0, stream,
         Global<float>(data, count), count, static_cast<int>(head), quads, value);
}

}  // namespace nad::cuda
