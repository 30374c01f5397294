// Where a sub-architecture looks: the activated pixels of a representation and how many of them lie where the class
// is (docs/METHOD.md, section 5.3; the paper's Fig. 4, row 2, and the masks of Figs. 7 to 16).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace nad {

// A map over the pixels of an image, rows from top to bottom.
struct PixelMap {
  int64_t height = 0, width = 0;
  std::vector<float> values;  // [height, width]
};

inline constexpr double kActivatedShare = 0.05;

// The sum over channels of sample n of a representation [N, H, W, C], in double, then rounded.
PixelMap channel_sum(CTensor representation, int64_t n);

// torch.nn.functional.interpolate(mode="bilinear", align_corners=False, antialias=False).
PixelMap resize_bilinear(const PixelMap& map, int64_t height, int64_t width);

// The pixels that hold the largest `share` of the values: 1 where a value is at least the ceil(share * pixels)-th
// largest (those that tie with it too), else 0. Empty for a map of one value, which points nowhere.
std::vector<uint8_t> activated_pixels(const PixelMap& map, double share = kActivatedShare);

// Of a 2x2 composite: 0 top left, 1 top right, 2 bottom left, 3 bottom right. A pixel belongs to the right (lower)
// half from width / 2 (height / 2) on, as the composite's tiles do.
int quadrant_of(int64_t y, int64_t x, int64_t height, int64_t width);

// Activated pixels in the quadrant over activated pixels; NaN for an empty mask. mask: [height, width]
double hit_rate(const std::vector<uint8_t>& mask, int64_t height, int64_t width, int quadrant);

// Activated pixels inside a region over activated pixels; NaN for an empty mask. mask, region: [height, width], 0 or 1.
double share_inside(const std::vector<uint8_t>& mask, const std::vector<uint8_t>& region);

}  // namespace nad
