#include "nad/report/text.h"

#include <cstdint>

namespace nad {
namespace {

// Columns that a terminal gives a character: two for East Asian ones and pictures, none for marks on others.
size_t columns_of(uint32_t c) {
  constexpr uint32_t kWide[][2] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                                   {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
  if (c >= 0x300 && c <= 0x36F) return 0;
  for (const auto& range : kWide) {
    if (c >= range[0] && c <= range[1]) return 2;
  }
  return 1;
}

}  // namespace

std::string one_line(const std::string& text) {
  std::string line = text;
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  }
  return line;
}

std::string cell(const std::string& text, size_t width) {
  size_t end = 0, used = 0;
  while (end < text.size()) {
    const auto lead = static_cast<unsigned char>(text[end]);
    const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length && end + i < text.size(); i++) c = c << 6 | (text[end + i] & 0x3F);
    if (used + columns_of(c) > width) break;
    used += columns_of(c);
    end += length;
  }
  return text.substr(0, end) + std::string(width - used, ' ');
}

}  // namespace nad
