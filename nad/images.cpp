#include "nad/images.h"

#include <climits>
#include <cstring>
#include <memory>
#include <string>

#include "engine/error.h"

#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#define STBI_MAX_DIMENSIONS 16384
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

namespace nad {
namespace {

using Bytes = std::vector<uint8_t>;

uint32_t little_endian(const Bytes& bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++) value |= static_cast<uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

bool is_jpeg(const Bytes& b) { return b.size() >= 3 && b[0] == 0xFF && b[1] == 0xD8 && b[2] == 0xFF; }
bool is_bmp(const Bytes& b) { return b.size() >= 2 && b[0] == 'B' && b[1] == 'M'; }

// stb_image reads zeros behind the end of the data, so a JPEG that was cut short decodes to an image with a grey
// rest. A whole one has an end marker behind its last scan: walk the segments to it (ITU T.81, annex B).
bool jpeg_is_complete(const Bytes& bytes) {
  size_t at = 2;
  while (at + 1 < bytes.size()) {
    const uint8_t marker = bytes[at + 1];
    const bool in_scan = bytes[at] != 0xFF || marker == 0x00 || (marker >= 0xD0 && marker <= 0xD7);
    if (in_scan) {  // entropy-coded bytes, stuffed zeros, restart markers: on to the next 0xFF
      const void* next = std::memchr(bytes.data() + at + 1, 0xFF, bytes.size() - at - 1);
      if (!next) return false;
      at = static_cast<size_t>(static_cast<const uint8_t*>(next) - bytes.data());
    } else if (marker == 0xFF) {  // fill byte
      at++;
    } else if (marker == 0xD9) {
      return true;
    } else {  // a segment with its length
      if (at + 3 >= bytes.size()) return false;
      at += 2 + (static_cast<size_t>(bytes[at + 2]) << 8 | bytes[at + 3]);
    }
  }
  return false;
}

// The same for BMP: the pixels must lie inside the file.
bool bmp_is_complete(const Bytes& bytes) {
  if (bytes.size() < 30) return false;
  const bool core = little_endian(bytes, 14, 4) == 12;  // the OS/2 header has 16-bit sides
  const int64_t width = core ? little_endian(bytes, 18, 2) : little_endian(bytes, 18, 4);
  const int64_t height = core ? little_endian(bytes, 20, 2)
                              : std::abs(static_cast<int64_t>(static_cast<int32_t>(little_endian(bytes, 22, 4))));
  const int64_t bits = little_endian(bytes, core ? 24 : 28, 2);
  if (width > kMaxImageSide || height > kMaxImageSide) return true;  // the decoder names the dimensions
  const int64_t row = (width * bits + 31) / 32 * 4;
  return static_cast<int64_t>(little_endian(bytes, 10, 4)) + row * height <= static_cast<int64_t>(bytes.size());
}

[[noreturn]] void fail(const EncodedImage& encoded, const std::string& why) {
  throw Error(ErrorKind::data, "image " + encoded.name + ": " + why, "JPEG, PNG and BMP images are read");
}

void check_dimensions(const EncodedImage& encoded, int width, int height) {
  const bool sane = width > 0 && height > 0 && width <= kMaxImageSide && height <= kMaxImageSide &&
                    int64_t{width} * height <= kMaxImagePixels;
  if (sane) return;
  fail(encoded, std::to_string(width) + "x" + std::to_string(height) + " pixels, expected sides of 1 to " +
                    std::to_string(kMaxImageSide) + " and at most " + std::to_string(kMaxImagePixels) + " pixels");
}

}  // namespace

static_assert(STBI_MAX_DIMENSIONS == kMaxImageSide);

Image decode_image(const EncodedImage& encoded) {
  const Bytes& bytes = encoded.bytes;
  if (bytes.empty()) fail(encoded, "the file is empty or cannot be read");
  if (bytes.size() > INT_MAX) fail(encoded, "the file has more than 2 GiB");
  if (is_jpeg(bytes) && !jpeg_is_complete(bytes)) fail(encoded, "the JPEG file is cut short (no end marker)");
  if (is_bmp(bytes) && !bmp_is_complete(bytes)) fail(encoded, "the BMP file is cut short");

  const int size = static_cast<int>(bytes.size());
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(bytes.data(), size, &width, &height, &channels)) fail(encoded, stbi_failure_reason());
  check_dimensions(encoded, width, height);
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) {
    const std::string why = stbi_failure_reason();
    if (why == "Out of memory") {
      throw Error(ErrorKind::memory, "image " + encoded.name + ": no memory for " + std::to_string(width) + "x" +
                                         std::to_string(height) + " pixels");
    }
    fail(encoded, why);
  }
  return {width, height, {pixels.get(), pixels.get() + int64_t{3} * width * height}};
}

}  // namespace nad
