// GPU rung 2: tiles of a matrix product in shared memory and in registers.
//
// The convolution is a product of matrices: [pixels, 9 * channels] of x, each row the pixels that 9 taps bring to one
// output, and [9 * channels, outputs] of weights. The first is never stored, its elements are looked up (an implicit
// GEMM). A block computes 128 pixels by 64 outputs. It brings 16 channels of one tap at a time to shared memory, 16 *
// (128 + 64) floats, which serve 16 * 128 * 64 products: 43 a load, where the rung before had half a product a load.
//
// Shared memory alone would not do: it gives a multiprocessor 32 values a cycle, where the 128 multipliers of one of
// sm_90 could take 256. So a thread has a tile of its own in registers, 8 pixels by 4 outputs: 12 floats, read by 3
// loads, serve 32 products.
//
// The weights are packed when the layer is planned, in the order of reading; channels and outputs that do not exist are
// 0, and pixels outside of x are 0 in shared memory, so that the inner loop asks for nothing.
//
// What is still slow: at each barrier the block waits for the memory. The engine loads the slabs to come while it
// multiplies (kernels/cuda/conv2d_gemm_kernel.h).
#include "bench/ladder/cuda_case.h"
#include "bench/ladder/cuda_rungs.h"

namespace nad::ladder {

using namespace cuda;

namespace {

constexpr int threads = 256, side = 16;  // 16 by 16 threads
constexpr int own_pixels = 8, own_outputs = 4;
constexpr int tile_pixels = side * own_pixels, tile_outputs = side * own_outputs, depth = 16;
constexpr int pitch = tile_pixels + 4;  // floats from one channel of xs to the next: stores fall into more banks

__device__ void load_four(const Shared<float>& x, int i, float* v) {
  const float4 q = load<float4>(x, i);
  v[0] = q.x, v[1] = q.y, v[2] = q.z, v[3] = q.w;
}

// weight: [9, padded_channels, padded_outputs]
__global__ void __launch_bounds__(threads)
    tiled_kernel(CudaCase c, Global<const float> weight, int padded_channels, int padded_outputs) {
  NAD_SHARED(float, xs, depth* pitch);         // [channels, pixels]
  NAD_SHARED(float, ws, depth* tile_outputs);  // [channels, outputs]
  const int first_pixel = static_cast<int>(blockIdx.x) * tile_pixels;
  const int first_output = static_cast<int>(blockIdx.y) * tile_outputs;
  const int row = static_cast<int>(threadIdx.x) / side, column = static_cast<int>(threadIdx.x) % side;
  float sums[own_pixels][own_outputs] = {};
  for (int tap = 0; tap < 9; ++tap) {
    int64_t from[own_pixels];  // this thread loads channel `column` of pixels row, row + 16 and so on
    NAD_UNROLL
    for (int j = 0; j < own_pixels; ++j) {
      from[j] = tap_start(c, first_pixel + row + side * j, tap / 3, tap % 3);
    }
    for (int i = 0; i < c.channels; i += depth) {
      NAD_UNROLL
      for (int j = 0; j < own_pixels; ++j) {
        const bool exists = from[j] >= 0 && i + column < c.channels;
        xs[column * pitch + row + side * j] = exists ? load_readonly<float>(c.x, from[j] + i + column) : 0.0f;
      }
      const int64_t at = int64_t{tap * padded_channels + i + row} * padded_outputs + first_output + column * 4;
      store(ws, row * tile_outputs + column * 4, load_readonly<float4>(weight, at));
      __syncthreads();
      NAD_UNROLL
      for (int k = 0; k < depth; ++k) {
        float x[own_pixels], w[own_outputs];
        load_four(xs, k * pitch + row * own_pixels, x);
        load_four(xs, k * pitch + row * own_pixels + 4, x + 4);
        load_four(ws, k * tile_outputs + column * own_outputs, w);
        NAD_UNROLL
        for (int p = 0; p < own_pixels; ++p) {
          NAD_UNROLL
          for (int o = 0; o < own_outputs; ++o) sums[p][o] = fmaf(x[p], w[o], sums[p][o]);
        }
      }
      __syncthreads();  // before the next slab overwrites this one
    }
  }
  NAD_UNROLL
  for (int p = 0; p < own_pixels; ++p) {
    const int pixel = first_pixel + row * own_pixels + p, output = first_output + column * own_outputs;
    NAD_UNROLL
    for (int o = 0; o < own_outputs; ++o) {
      if (pixel < c.pixels && output + o < c.outputs) c.y[pixel * c.y_stride + output + o] = sums[p][o];
    }
  }
}

std::vector<float> pack(const CudaCase& c, const HostTensor& weight, int64_t padded_channels,
                        int64_t padded_outputs) {
  std::vector<float> packed(static_cast<size_t>(9 * padded_channels * padded_outputs));
  for (int64_t o = 0; o < c.outputs; ++o) {
    for (int64_t i = 0; i < c.channels; ++i) {
      for (int64_t tap = 0; tap < 9; ++tap) {
        packed[static_cast<size_t>((tap * padded_channels + i) * padded_outputs + o)] =
            weight.data[static_cast<size_t>((o * c.channels + i) * 9 + tap)];
      }
    }
  }
  return packed;
}

}  // namespace

Kernel conv2d_cuda_tiled(Planner& planner, const Conv2dArgs& args) {
  const CudaCase c = cuda_case(args);
  const int64_t output_tiles = ceil_div(c.outputs, tile_outputs);
  const auto channels = static_cast<int>(ceil_div(c.channels, depth) * depth);
  const auto outputs = static_cast<int>(output_tiles * tile_outputs);
  const Grid grid(ceil_div(c.pixels, tile_pixels), output_tiles);
  return [=, weight = to_device(planner, pack(c, *args.weight, channels, outputs))](Context& context) {
    launch(tiled_kernel, grid, threads, 0, stream_of(context), c, weight.view(), channels, outputs);
  };
}

}  // namespace nad::ladder
