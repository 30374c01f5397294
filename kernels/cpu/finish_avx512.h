// The end of a convolution in registers: see Finish in conv2d_avx512.h.
#pragma once

#include <immintrin.h>

#include "kernels/cpu/conv2d_avx512.h"

namespace nad::cpu {
namespace {

inline __mmask16 tail_mask(int64_t count) {  // the first min(count, 16) lanes
  return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1);
}

// Stores 16 channels from `channel` on of one pixel.
inline void finish_vector(const Finish& f, __m512 v, int64_t pixel, int64_t sample, int64_t channel, __mmask16 mask) {
  if (f.shift != nullptr) v = _mm512_add_ps(v, _mm512_loadu_ps(f.shift + channel));
  if (f.mask_x != nullptr) {
    __m512 x = _mm512_maskz_loadu_ps(mask, f.mask_x + pixel * f.mask_stride + channel);
    if (f.mask_scale != nullptr) x = _mm512_mul_ps(x, _mm512_loadu_ps(f.mask_scale + channel));
    if (f.mask_shift != nullptr) x = _mm512_add_ps(x, _mm512_loadu_ps(f.mask_shift + channel));
    v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), v);
  }
  if (f.residual != nullptr) {
    v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, f.residual + pixel * f.residual_stride + channel));
  }
  if (f.relu) v = _mm512_max_ps(_mm512_setzero_ps(), v);  // this order keeps NaN
  if (f.gate != nullptr) {
    v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, f.gate + f.gate_row[sample] * f.channels + channel));
  }
  _mm512_mask_storeu_ps(f.y + pixel * f.y_stride + channel, mask, v);
}

}  // namespace
}  // namespace nad::cpu
