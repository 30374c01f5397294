// Decoding of image files in memory (JPEG, PNG, BMP) into 8-bit RGB.
#pragma once

#include <cstdint>
#include <vector>

#include "weights/encoded_image.h"

namespace nad {

// Rows from top to bottom, [height, width, 3], no padding between rows.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
};

// Larger images are taken for damaged headers. The side also bounds the rounding error of resize.h.
constexpr int kMaxImageSide = 16384;
constexpr int64_t kMaxImagePixels = int64_t{1} << 27;

// Grey becomes three equal channels, alpha is dropped, 16 bits become 8, EXIF orientation is ignored.
// Throws Error(data) with the image's name where the bytes are empty, cut short, damaged, of another format or of
// absurd dimensions; Error(memory) where there is no room for the pixels.
Image decode_image(const EncodedImage& encoded);

}  // namespace nad
