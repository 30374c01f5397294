#include "nad/images/images.h"

#include <climits>
#include <cstdlib>
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

uint32_t big_endian32(const Bytes& bytes, size_t at) {
  return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 | uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}

bool is_jpeg(const Bytes& b) { return b.size() >= 3 && b[0] == 0xFF && b[1] == 0xD8 && b[2] == 0xFF; }
bool is_png(const Bytes& b) { return b.size() >= 8 && std::memcmp(b.data(), "\x89PNG\r\n\x1A\n", 8) == 0; }
bool is_bmp(const Bytes& b) { return b.size() >= 2 && b[0] == 'B' && b[1] == 'M'; }

// Whether a DHT segment's tables [begin, end) are well formed. stb_image 2.27 writes out of bounds where a table
// has more than 256 codes.
bool huffman_tables_are_sane(const Bytes& bytes, size_t begin, size_t end) {
  while (begin < end) {
    if (end - begin < 17) return false;
    size_t codes = 0;
    for (size_t i = 1; i <= 16; i++) codes += bytes[begin + i];
    if (codes > 256 || end - begin < 17 + codes) return false;
    begin += 17 + codes;
  }
  return true;
}

// What is wrong with a JPEG, or null. stb_image reads zeros behind the end of the
// data, so a file that was cut short decodes to an image with a grey rest. A whole one
// has an end marker behind its last scan: walk the segments to it (ITU T.81, annex B).
const char* jpeg_damage(const Bytes& bytes) {
  constexpr uint8_t kFrame = 0xC0, kLastFrame = 0xC2, kHuffmanTables = 0xC4, kEnd = 0xD9, kFirstRestart = 0xD0,
                    kLastRestart = 0xD7, kAdobe = 0xEE;
  bool four_components = false, adobe = false;
  const char* const cut = "the JPEG file is cut short (no end marker)";
  size_t at = 2;
  while (at + 1 < bytes.size()) {
    const uint8_t marker = bytes[at + 1];
    const bool in_scan = bytes[at] != 0xFF || marker == 0x00 || (marker >= kFirstRestart && marker <= kLastRestart);
    if (in_scan) {  // entropy-coded bytes, stuffed zeros, restart markers: on to the next 0xFF
      const void* next = std::memchr(bytes.data() + at + 1, 0xFF, bytes.size() - at - 1);
      if (!next) return cut;
      at = static_cast<size_t>(static_cast<const uint8_t*>(next) - bytes.data());
    } else if (marker == 0xFF) {  // fill byte
      at++;
    } else if (marker == kEnd) {
      // stb_image takes the four for YCbCr and one more.
      return four_components && !adobe ? "a CMYK JPEG without Adobe's marker, its colours are not known" : nullptr;
    } else {  // a segment with its length
      if (at + 3 >= bytes.size()) return cut;
      const size_t end = at + 2 + (static_cast<size_t>(bytes[at + 2]) << 8 | bytes[at + 3]);
      if (end > bytes.size()) return cut;
      if (marker >= kFrame && marker <= kLastFrame && end > at + 9) four_components = bytes[at + 9] == 4;
      adobe = adobe || marker == kAdobe;
      if (marker == kHuffmanTables && !huffman_tables_are_sane(bytes, at + 4, end)) return "damaged Huffman tables";
      at = end;
    }
  }
  return cut;
}

// The same for PNG: every chunk, to the last one, lies inside the file. stb_image allocates what a chunk's length
// says before it looks whether the bytes are there.
bool png_is_complete(const Bytes& bytes) {
  size_t at = 8;  // behind the signature
  while (at + 12 <= bytes.size()) {
    const size_t length = big_endian32(bytes, at);
    if (length > bytes.size() - at - 12) return false;
    if (std::memcmp(bytes.data() + at + 4, "IEND", 4) == 0) return true;
    at += 12 + length;
  }
  return false;
}

// Null where a BMP is fit to be decoded: not compressed, and the pixels lie inside the file.
const char* bmp_damage(const Bytes& bytes) {
  const char* const cut = "the BMP file is cut short";
  if (bytes.size() < 34) return cut;
  const bool core = little_endian(bytes, 14, 4) == 12;  // the OS/2 header has 16-bit sides
  const int64_t width = core ? little_endian(bytes, 18, 2) : little_endian(bytes, 18, 4);
  const int64_t height = core ? little_endian(bytes, 20, 2)
                              : std::abs(static_cast<int64_t>(static_cast<int32_t>(little_endian(bytes, 22, 4))));
  const int64_t bits = little_endian(bytes, core ? 24 : 28, 2);
  const uint32_t compression = core ? 0 : little_endian(bytes, 30, 4), run_length8 = 1, run_length4 = 2;
  if (compression == run_length8 || compression == run_length4) return "a BMP compressed by run lengths, not read";
  if (width > kMaxImageSide || height > kMaxImageSide) return nullptr;  // the decoder names the dimensions
  const int64_t row = (width * bits + 31) / 32 * 4;
  const bool whole =
      static_cast<int64_t>(little_endian(bytes, 10, 4)) + row * height <= static_cast<int64_t>(bytes.size());
  return whole ? nullptr : cut;
}

[[noreturn]] void fail(const EncodedImage& encoded, const std::string& why) {
  throw Error(ErrorKind::data, "image " + encoded.name + ": " + why, "JPEG, PNG and BMP images are read");
}

void check_dimensions(const EncodedImage& encoded, int64_t width, int64_t height) {
  const bool sane = width > 0 && height > 0 && width <= kMaxImageSide && height <= kMaxImageSide &&
                    width * height <= kMaxImagePixels;
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
  const char* damage = is_jpeg(bytes) ? jpeg_damage(bytes) : is_bmp(bytes) ? bmp_damage(bytes) : nullptr;
  if (damage) fail(encoded, damage);
  if (is_png(bytes) && !png_is_complete(bytes)) fail(encoded, "the PNG file is cut short (no end chunk)");
  if (is_png(bytes) && bytes.size() >= 24)
    check_dimensions(encoded, big_endian32(bytes, 16), big_endian32(bytes, 20));

  const int size = static_cast<int>(bytes.size());
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(bytes.data(), size, &width, &height, &channels)) fail(encoded, stbi_failure_reason());
  check_dimensions(encoded, width, std::abs(int64_t{height}));  // that of a BMP stored from the top is negative
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
