#include "nad/images/decode/format.h"

#include <cstring>

#include "engine/error.h"

namespace nad::decode {

void fail(const EncodedImage& encoded, const std::string& why) {
  throw Error(ErrorKind::data, "image " + encoded.name + ": " + why, readable_images() + " images are read");
}

void check_dimensions(const EncodedImage& encoded, int64_t width, int64_t height) {
  const bool sane = width > 0 && height > 0 && width <= kMaxImageSide && height <= kMaxImageSide &&
                    width * height <= kMaxImagePixels;
  if (sane) return;
  fail(encoded, std::to_string(width) + "x" + std::to_string(height) + " pixels, expected sides of 1 to " +
                    std::to_string(kMaxImageSide) + " and at most " + std::to_string(kMaxImagePixels) + " pixels");
}

void no_memory(const EncodedImage& encoded, int64_t width, int64_t height) {
  throw Error(ErrorKind::memory, "image " + encoded.name + ": no memory for " + std::to_string(width) + "x" +
                                     std::to_string(height) + " pixels");
}

Image blank_image(int64_t width, int64_t height) {
  return {static_cast<int>(width), static_cast<int>(height),
          Bytes(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height))};
}

bool begins_with(const Bytes& bytes, const char* signature, size_t length, size_t at) {
  return bytes.size() >= at + length && std::memcmp(bytes.data() + at, signature, length) == 0;
}

uint32_t little_endian(const Bytes& bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++) value |= static_cast<uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

uint32_t big_endian32(const Bytes& bytes, size_t at) {
  return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 | uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
}

}  // namespace nad::decode
