// BMP, by stb_image.
#include <cstdlib>

#include "nad/images/decode/format.h"
#include "nad/images/decode/stb.h"

namespace nad::decode {
namespace {

bool is_bmp(const Bytes& bytes) { return begins_with(bytes, "BM", 2); }

// Null where a BMP is fit to be decoded: not compressed, and the pixels lie inside the file.
const char* damage(const Bytes& bytes) {
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

Image decode_bmp(const EncodedImage& encoded) {
  if (const char* what = damage(encoded.bytes)) fail(encoded, what);
  return decode_with_stb(encoded);
}

}  // namespace

Format bmp_format() { return {"BMP", {".bmp"}, stb_library(), is_bmp, decode_bmp}; }

}  // namespace nad::decode
