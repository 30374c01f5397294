// What every convolution kernel does with a source value and with a finished sum (Source, Finish in convolution.h),
// for one channel (V = 1) or four adjacent ones (V = 4, one 16-byte access each).
#pragma once

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

template <int V>
__device__ inline void load_values(const Global<const float>& x, int64_t i, float (&v)[V]) {
  static_assert(V == 1 || V == 4);
  if constexpr (V == 4) {
    const float4 q = load<float4>(x, i);
    v[0] = q.x, v[1] = q.y, v[2] = q.z, v[3] = q.w;
  } else {
    v[0] = x[i];
  }
}

template <int V>
__device__ inline void store_values(const Global<float>& x, int64_t i, const float (&v)[V]) {
  if constexpr (V == 4) {
    store(x, i, make_float4(v[0], v[1], v[2], v[3]));
  } else {
    x[i] = v[0];
  }
}

// Two bf16 as the four bytes that they have in memory.
__device__ inline unsigned bf16_pair(float low, float high) {
  return static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16 |
         __bfloat16_as_ushort(__float2bfloat16_rn(low));
}

// max(z, 0) that lets NaN through.
__device__ inline float rectify(float z) { return z < 0.0f ? 0.0f : z; }

// v = prologue(v), channels c .. c+V-1.
template <int V>
__device__ inline void apply_prologue(const Source& s, int c, float (&v)[V]) {
  if (s.scale || s.shift) {
    float factor[V], shift[V];
    NAD_UNROLL
    for (int i = 0; i < V; ++i) factor[i] = 1.0f, shift[i] = 0.0f;
    if (s.scale) load_values(s.scale, c, factor);
    if (s.shift) load_values(s.shift, c, shift);
    NAD_UNROLL
    for (int i = 0; i < V; ++i) v[i] = fmaf(factor[i], v[i], shift[i]);
  }
  NAD_UNROLL
  for (int i = 0; i < V; ++i) v[i] = s.relu ? rectify(v[i]) : v[i];
}

// The finish's vectors for a thread whose channels c .. c+V-1 do not change.
template <int V>
struct ChannelFactors {
  float scale[V], shift[V], mask_shift[V];

  __device__ ChannelFactors(const Finish& f, int c) {
    NAD_UNROLL
    for (int i = 0; i < V; ++i) scale[i] = 1.0f, shift[i] = 0.0f, mask_shift[i] = 0.0f;
    if (f.scale) load_values(f.scale, c, scale);
    if (f.shift) load_values(f.shift, c, shift);
    if (f.mask_shift) load_values(f.mask_shift, c, mask_shift);
  }
};

// Stores the finished sums of one target pixel ((n*target_h + h)*target_w + w) of sample n.
// The signs of fmaf(scale, mask, shift) are exact: it rounds once.
template <int V>
__device__ inline void finish_values(const Finish& f, const ChannelFactors<V>& factors, int64_t pixel, int sample,
                                     int c, float (&z)[V]) {
  float other[V];
  NAD_UNROLL
  for (int i = 0; i < V; ++i) z[i] = fmaf(factors.scale[i], z[i], factors.shift[i]);
  if (f.mask) {
    load_values(f.mask, pixel * f.mask_stride + c, other);
    NAD_UNROLL
    for (int i = 0; i < V; ++i) z[i] = fmaf(factors.scale[i], other[i], factors.mask_shift[i]) > 0.0f ? z[i] : 0.0f;
  }
  if (f.residual) {
    load_values(f.residual, pixel * f.residual_stride + c, other);
    NAD_UNROLL
    for (int i = 0; i < V; ++i) z[i] += other[i];
  }
  NAD_UNROLL
  for (int i = 0; i < V; ++i) z[i] = f.relu ? rectify(z[i]) : z[i];
  if (f.gate) {
    const int32_t row = f.gate_row[sample];
    load_values(f.gate, row * f.gate_stride + c, other);
    NAD_UNROLL
    for (int i = 0; i < V; ++i) z[i] *= other[i];
  }
  store_values(f.target, pixel * f.stride + c, z);
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
