// What every convolution kernel does with a source value and with a finished sum (Source, Finish in convolution.h),
// for one channel (V = 1) or four adjacent ones (V = 4, one 16-byte access each).
#pragma once

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/convolution.h"

// Loops over registers must unroll, or the registers become
// local memory; some others must not, or they need too many.
#if defined(__CUDACC__)
#define NAD_UNROLL _Pragma("unroll")
#define NAD_NO_UNROLL _Pragma("unroll 1")
#else
#define NAD_UNROLL
#define NAD_NO_UNROLL
#endif

namespace nad::cuda {

// Two bf16 as the four bytes that they have in memory.
__device__ inline unsigned bf16_pair(float low, float high) {
  return static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16 |
         __bfloat16_as_ushort(__float2bfloat16_rn(low));
}

// x = prologue(x), channels c .. c+V-1.
template <int V>
__device__ inline void apply_prologue(const Source& s, int c, Pack<V>& x) {
  if (s.scale || s.shift) {
    const Pack<V> scale = s.scale ? load_pack<V>(s.scale, c) : filled<V>(1.0f);
    const Pack<V> shift = s.shift ? load_pack<V>(s.shift, c) : filled<V>(0.0f);
    NAD_UNROLL
    for (int i = 0; i < V; ++i) x.v[i] = fmaf(scale.v[i], x.v[i], shift.v[i]);
  }
  if (s.relu) x = relu(x);
}

// The finish's vectors for a thread whose channels c .. c+V-1 do not change.
template <int V>
struct ChannelFactors {
  Pack<V> scale, shift, mask_shift;

  __device__ ChannelFactors(const Finish& f, int c)
      : scale(f.scale ? load_pack<V>(f.scale, c) : filled<V>(1.0f)),
        shift(f.shift ? load_pack<V>(f.shift, c) : filled<V>(0.0f)),
        mask_shift(f.mask_shift ? load_pack<V>(f.mask_shift, c) : filled<V>(0.0f)) {}
};

// V channels from c on of one target pixel ((n*target_h + h)*target_w + w) of sample n; see kernels/epilogue_order.h.
template <int V>
struct FinishPart {
  using Math = PackMath<V>;
  using F = Pack<V>;
  static constexpr bool kMaskable = true;
  const Finish& f;
  const ChannelFactors<V>& factors;
  int64_t pixel;
  int sample, c;

  __device__ bool is_affine() const { return true; }
  __device__ bool has_mask() const { return bool(f.mask); }
  __device__ bool has_residual() const { return bool(f.residual); }
  __device__ bool has_relu() const { return f.relu; }
  __device__ bool has_gate() const { return bool(f.gate); }
  __device__ const F& scale() const { return factors.scale; }
  __device__ const F& shift() const { return factors.shift; }
  __device__ const F& mask_scale() const { return factors.scale; }
  __device__ F mask() const { return load_pack<V>(f.mask, pixel * f.mask_stride + c); }
  __device__ const F& mask_shift() const { return factors.mask_shift; }
  __device__ F residual() const { return load_pack<V>(f.residual, pixel * f.residual_stride + c); }
  __device__ F relu(const F& z) const { return cuda::relu(z); }
  __device__ F gate() const {
    const int32_t row = f.gate_row[sample];
    return load_pack<V>(f.gate, row * f.gate_stride + c);
  }
};

// Stores the finished sums z of that pixel, and leaves them in z.
template <int V>
__device__ inline void finish_values(const Finish& f, const ChannelFactors<V>& factors, int64_t pixel, int sample,
                                     int c, Pack<V>& z) {
  z = apply_epilogue(FinishPart<V>{f, factors, pixel, sample, c}, z);
  store_pack<V>(f.target, pixel * f.stride + c, z);
}

// A position of a gather's grid as sample, row and column, and the pixel of the target that it computes.
struct Position {
  int sample, h, w;

  __device__ Position(const Gather& g, int index) {
    w = index % g.grid_w;
    const int row = index / g.grid_w;
    h = row % g.grid_h;
    sample = row / g.grid_h;
  }
  __device__ int64_t target_pixel(const Gather& g) const {
    return (int64_t{sample} * g.target_h + g.first_h + h * g.every_h) * g.target_w + g.first_w + w * g.every_w;
  }
};

}  // namespace nad::cuda
