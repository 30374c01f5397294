// PNG, by stb_image.
#include <cstring>

#include "nad/images/decode/format.h"
#include "nad/images/decode/stb.h"

namespace nad::decode {
namespace {

bool is_png(const Bytes& bytes) { return begins_with(bytes, "\x89PNG\r\n\x1A\n", 8); }

// Whether every chunk, to the last one, lies inside the file. stb_image allocates what a chunk's length says before it
// looks whether the bytes are there.
bool is_complete(const Bytes& bytes) {
  size_t at = 8;  // behind the signature
  while (at + 12 <= bytes.size()) {
    const size_t length = big_endian32(bytes, at);
    if (length > bytes.size() - at - 12) return false;
    if (std::memcmp(bytes.data() + at + 4, "IEND", 4) == 0) return true;
    at += 12 + length;
  }
  return false;
}

Image decode_png(const EncodedImage& encoded) {
  const Bytes& bytes = encoded.bytes;
  if (!is_complete(bytes)) fail(encoded, "the PNG file is cut short (no end chunk)");
  if (bytes.size() >= 24) check_dimensions(encoded, big_endian32(bytes, 16), big_endian32(bytes, 20));
  return decode_with_stb(encoded);
}

}  // namespace

Format png_format() { return {"PNG", {".png"}, stb_library(), is_png, decode_png}; }

}  // namespace nad::decode
