// GPU rung 3: the products on tensor cores.
//
// One instruction of a warp, mma.m16n8k16, adds the product of a 16x16 and a 16x8 matrix of bf16 to a 16x8 matrix of fp32
// sums: 2048 products, where a multiply-add of the warp is 32. The price: x and the weights are rounded to the 8
// significant bits of a bf16 (their products are then exact). The matrices lie in registers, spread over the warp's
// lanes as kernels/cuda/mma.h says. ldmatrix brings four 8x8 blocks from shared memory in that order: each lane names a
// row of 16 bytes, so in both tiles the channels, over which is summed, lie side by side.
//
// The tile is that of the rung before, 128 pixels by 64 outputs, with 32 channels at a time. It is shared by 8 warps, 4
// by 2, each with 32 pixels by 32 outputs: for 16 channels two matrices of x and four of weights, brought by four
// ldmatrix, make eight products. x is rounded on its way to shared memory, the weights when the layer is planned.
//
// What is left: the block waits at its barriers, and x comes four bytes at a time. How the engine loads ahead, with 16
// bytes where it can, and finishes rows whole: kernels/cuda/conv2d_gemm_kernel.h.
#include "bench/ladder/cuda_case.h"
#include "bench/ladder/cuda_rungs.h"
#include "kernels/cuda/mma.h"

namespace nad::ladder {

using namespace cuda;

namespace {

constexpr int threads = 256, tile_pixels = 128, tile_outputs = 64, depth = 32, warp_side = 32;
// bf16 from one row to the next: 80 bytes, so that eight rows of 16 bytes lie in 32 different banks.
constexpr int pitch = depth + 8;
constexpr int loads = 8;  // pixels that a thread brings two channels of

// sums: [2 of 16 pixels][4 of 8 outputs][this lane's part]. xs, ws: from the warp's first pixel and output on.
__device__ void multiply(const Shared<bf16>& xs, const Shared<bf16>& ws, float (&sums)[2][4][4]) {
  const int lane = lane_index();
  NAD_UNROLL
  for (int k = 0; k < depth; k += 16) {
    uint32_t w[4][2];
    NAD_UNROLL
    for (int j = 0; j < 4; j += 2) {  // blocks: outputs 0-7 with low and high k, then outputs 8-15
      uint32_t r[4];
      ldmatrix_x4(ws, (8 * j + lane / 16 * 8 + lane % 8) * pitch + k + lane / 8 % 2 * 8, r);
      w[j][0] = r[0], w[j][1] = r[1], w[j + 1][0] = r[2], w[j + 1][1] = r[3];
    }
    NAD_UNROLL
    for (int i = 0; i < 2; ++i) {  // blocks: pixels 0-7 and 8-15 with low k, then with high k
      uint32_t x[4];
      ldmatrix_x4(xs, (16 * i + lane % 16) * pitch + k + lane / 16 * 8, x);
      NAD_UNROLL
      for (int j = 0; j < 4; ++j) mma_m16n8k16_bf16(sums[i][j], x, w[j]);
    }
  }
}

// weight: [9, slabs of 32 channels, padded_outputs, 32]
__global__ void __launch_bounds__(threads)
    tensor_kernel(CudaCase c, Global<const bf16> weight, int slabs, int padded_outputs) {
  NAD_SHARED(bf16, xs, tile_pixels * pitch);   // [pixels, channels]
  NAD_SHARED(bf16, ws, tile_outputs * pitch);  // [outputs, channels]
  const int first_pixel = static_cast<int>(blockIdx.x) * tile_pixels;
  const int first_output = static_cast<int>(blockIdx.y) * tile_outputs;
  const int thread = static_cast<int>(threadIdx.x), row = thread / 16, column = thread % 16 * 2;
  const int warp_pixel = warp_index() / 2 * warp_side, warp_output = warp_index() % 2 * warp_side;
  float sums[2][4][4] = {};
  for (int tap = 0; tap < 9; ++tap) {
    int64_t from[loads];  // this thread loads channels `column` and the next of pixels row, row + 16 and so on
    NAD_UNROLL
    for (int j = 0; j < loads; ++j) from[j] = tap_start(c, first_pixel + row + 16 * j, tap / 3, tap % 3);
    for (int slab = 0; slab < slabs; ++slab) {
      const int i = slab * depth + column;
      NAD_UNROLL
      for (int j = 0; j < loads; ++j) {
        const bool low = from[j] >= 0 && i < c.channels, high = from[j] >= 0 && i + 1 < c.channels;
        store(xs, (row + 16 * j) * pitch + column,
              bf16_pair(low ? load_readonly<float>(c.x, from[j] + i) : 0.0f,
                        high ? load_readonly<float>(c.x, from[j] + i + 1) : 0.0f));
      }
      const int64_t at = (int64_t{tap * slabs + slab} * padded_outputs + first_output) * depth + thread * 8;
      store(ws, thread / 4 * pitch + thread % 4 * 8, load_readonly<uint4>(weight, at));
      __syncthreads();
      multiply(xs + warp_pixel * pitch, ws + warp_output * pitch, sums);
      __syncthreads();  // before the next slab overwrites this one
    }
  }
  NAD_UNROLL
  for (int e = 0; e < 32; ++e) {  // element e % 4 of d: mma.h, "C, D"
    const int i = e / 16, j = e / 4 % 4, d = e % 4;
    const int pixel = first_pixel + warp_pixel + 16 * i + d / 2 * 8 + lane_index() / 4;
    const int output = first_output + warp_output + 8 * j + lane_index() % 4 * 2 + d % 2;
    if (pixel < c.pixels && output < c.outputs) c.y[pixel * c.y_stride + output] = sums[i][j][d];
  }
}

std::vector<bf16> pack(const CudaCase& c, const HostTensor& weight, int64_t slabs, int64_t padded_outputs) {
  std::vector<bf16> packed(static_cast<size_t>(9 * slabs * padded_outputs * depth), __float2bfloat16(0.0f));
  for (int64_t o = 0; o < c.outputs; ++o) {
    for (int64_t i = 0; i < c.channels; ++i) {
      for (int64_t tap = 0; tap < 9; ++tap) {
        const int64_t to = ((tap * slabs + i / depth) * padded_outputs + o) * depth + i % depth;
        packed[static_cast<size_t>(to)] =
            __float2bfloat16(weight.data[static_cast<size_t>((o * c.channels + i) * 9 + tap)]);
      }
    }
  }
  return packed;
}

}  // namespace

Kernel conv2d_cuda_tensor(Planner& planner, const Conv2dArgs& args) {
  const CudaCase c = cuda_case(args);
  const int64_t output_tiles = ceil_div(c.outputs, tile_outputs);
  const auto slabs = static_cast<int>(ceil_div(c.channels, depth));
  const auto outputs = static_cast<int>(output_tiles * tile_outputs);
  const Grid grid(ceil_div(c.pixels, tile_pixels), output_tiles);
  return [=, weight = to_device(planner, pack(c, *args.weight, slabs, outputs))](Context& context) {
    launch(tensor_kernel, grid, threads, 0, stream_of(context), c, weight.view(), slabs, outputs);
  };
}

}  // namespace nad::ladder
