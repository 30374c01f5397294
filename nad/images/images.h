// Decoding of image files in memory into 8-bit RGB: JPEG, PNG and BMP, and with the libraries that were there when this
// was built WebP, GIF, TIFF, PGM, PPM and what gzip made of them (docs/IMAGES.md).
#pragma once

#include <cstdint>
#include <string>
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

// The format is told by the first bytes. Grey becomes three equal channels, alpha is dropped, 16 bits become 8, of
// several pictures the first is taken, orientation is ignored. Thread-safe.
// Throws Error(data) with the image's name where the bytes are empty, cut short, damaged, of another format or of
// absurd dimensions; Error(memory) where there is no room for the pixels.
Image decode_image(const EncodedImage& encoded);

// Whether a file of this name is taken for an image: by its ending, of any case, among those of the formats that this
// build reads. What is inside may be another one of them.
bool has_image_ending(const std::string& file_name);

// For messages: "JPEG, PNG, BMP", and ".jpg, .jpeg, .png".
std::string readable_images();
std::string image_endings();

// Which library, of which version, reads which format: pixels may depend on it.
std::string image_decoders();

}  // namespace nad
