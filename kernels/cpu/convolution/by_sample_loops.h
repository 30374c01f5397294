// Loops of by_sample.cpp, compiled once per instruction set.
#include "kernels/cpu/epilogue_lanes.h"

// One sample's input: cropped, transformed, dense, in fp32 or bf16.
static void load_sample(const SampleLoad& p, int64_t sample, float* to, uint16_t* to_bf16) {
  for (int64_t h = p.crop_h; h < p.shape.h; ++h) {
    for (int64_t w = p.crop_w; w < p.shape.w; ++w) {
      const float* from = p.from + ((sample * p.shape.h + h) * p.shape.w + w) * p.stride;
      const int64_t place = ((h - p.crop_h) * (p.shape.w - p.crop_w) + w - p.crop_w) * p.shape.c;
      for_channels(p.shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F v = L::load(from + c);
        if (p.scale) v = v * L::load(p.scale + c) + L::load(p.shift + c);
        if (p.relu) v = L::relu(v);
        if (to_bf16) {
          L::store_bf16(to_bf16 + place + c, v);
        } else {
          L::store(to + place + c, v);
        }
      });
    }
  }
}

// One sample's gradient: dx (+)= prologue'(x) * from, and 0 where the crop was. from: dense, cropped.
static void store_gradient(const GradientStore& p, int64_t sample, const float* from) {
  for (int64_t h = 0; h < p.shape.h; ++h) {
    for (int64_t w = 0; w < p.shape.w; ++w) {
      const int64_t pixel = (sample * p.shape.h + h) * p.shape.w + w;
      const bool inside = h >= p.crop_h && w >= p.crop_w;
      const float* gradient = from + ((h - p.crop_h) * (p.shape.w - p.crop_w) + w - p.crop_w) * p.shape.c;
      const float* x = p.x ? p.x + pixel * p.x_stride : nullptr;
      float* dx = p.dx + pixel * p.dx_stride;
      for_channels(p.shape.c, [&](auto lanes, int64_t c) NAD_INLINE_LAMBDA {
        using L = decltype(lanes);
        typename L::F v = inside ? L::load(gradient + c) : L::set(0.f);
        if (x) v = prologue_gradient(lanes, p.scale, p.shift, p.relu, x, c, v);
        if (p.add) v += L::load(dx + c);
        L::store(dx + c, v);
      });
    }
  }
}
