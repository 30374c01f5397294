// Antialiased resizing of 8-bit RGB, bit-equal to Pillow's Image.resize(BILINEAR) and (BICUBIC), which torchvision and
// timm use for PIL images: a filter whose width grows with the reduction, a horizontal and then a vertical pass,
// 22-bit fixed-point weights and 8-bit values between the passes (Pillow, src/libImaging/Resample.c).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/resize_filter.h"
#include "nad/images/images.h"

namespace nad {

// A rectangle of pixels: columns [left, left + width), rows [top, top + height).
struct Box {
  int left = 0, top = 0, width = 0, height = 0;
  bool operator==(const Box&) const = default;
};

// Keeps its scratch memory from call to call: one per thread.
class Resizer {
 public:
  // simd = false: portable loops instead of the processor's vector instructions, with the same bytes.
  explicit Resizer(Interpolation interpolation = Interpolation::bilinear, bool simd = true)
      : interpolation_(interpolation), simd_(simd) {}

  // Makes room for every resize of images up to width x height to
  // at most out_width x out_height, so that none of them allocates.
  void reserve(int width, int height, int out_width, int out_height);

  // Cuts `crop` out of the image (the filter sees nothing outside of it), resizes it to out_width x out_height and
  // writes the part `window` of that: out is [window.height, window.width, 3].
  // Throws Error(data) where a box does not lie inside its image or the image's bytes do not fit its dimensions.
  void resize(const Image& image, const Box& crop, int out_width, int out_height, const Box& window, uint8_t* out);

 private:
  // Filter of one axis: output i = sum over j < count[i] of weights[i * taps + j] * input[first[i] + j].
  struct Axis {
    int taps = 0;
    std::vector<int> first, count;
    std::vector<int32_t> weights;
    void reserve(Interpolation kind, int in, int out);
    void plan(Interpolation kind, int in, int out, int begin, int outputs);
  };
  Interpolation interpolation_;
  bool simd_;
  Axis columns_, rows_;
  std::vector<uint8_t> between_;   // rows after the horizontal pass
  std::vector<uint8_t> last_row_;  // the image's last row with readable bytes behind it
};

// The whole image, resized bilinearly. Throws as Resizer::resize does.
Image resize(const Image& image, int width, int height);

}  // namespace nad
