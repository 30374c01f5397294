#include "nad/images/decode/jpeg_segments.h"

#include <cstring>

namespace nad::decode {
namespace {

// Markers, each behind a byte 0xFF.
constexpr uint8_t kFirstFrame = 0xC0, kLastFrame = 0xCF, kHuffmanTables = 0xC4, kExtension = 0xC8,
                  kArithmeticConditions = 0xCC, kEnd = 0xD9, kFirstRestart = 0xD0, kLastRestart = 0xD7, kAdobe = 0xEE;

bool is_frame(uint8_t marker) {
  return marker >= kFirstFrame && marker <= kLastFrame && marker != kHuffmanTables && marker != kExtension &&
         marker != kArithmeticConditions;
}

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

}  // namespace

bool is_jpeg(const Bytes& bytes) { return begins_with(bytes, "\xFF\xD8\xFF", 3); }

const char* jpeg_damage(const Bytes& bytes) {
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
      // stb_image takes the four for YCbCr and one more, Pillow for inverted CMYK.
      return four_components && !adobe ? "a CMYK JPEG without Adobe's marker, its colours are not known" : nullptr;
    } else {  // a segment with its length
      if (at + 3 >= bytes.size()) return cut;
      const size_t end = at + 2 + (static_cast<size_t>(bytes[at + 2]) << 8 | bytes[at + 3]);
      if (end > bytes.size()) return cut;
      if (is_frame(marker) && end > at + 9) four_components = bytes[at + 9] == 4;
      adobe = adobe || marker == kAdobe;
      if (marker == kHuffmanTables && !huffman_tables_are_sane(bytes, at + 4, end)) return "damaged Huffman tables";
      at = end;
    }
  }
  return cut;
}

}  // namespace nad::decode
