#include "nad/report/png_description.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace nad {
namespace {

constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
constexpr size_t kHeaderEnd = 33;  // signature and IHDR
constexpr size_t kFrame = 12;      // of a chunk: length, kind, CRC
// Keyword, not compressed, no language, no translated keyword: the last of the five zeros ends the literal.
constexpr char kKeyword[] = "Description\0\0\0\0";

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint32_t big_endian(std::string_view four) {
  uint32_t value = 0;
  for (const char c : four.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

// PNG specification, annex D.
uint32_t crc(std::string_view bytes) {
  uint32_t value = ~0u;
  for (const char c : bytes) {
    value ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0xEDB88320u : value >> 1;
  }
  return ~value;
}

}  // namespace

std::vector<std::byte> with_description(std::vector<std::byte> png, const std::string& text) {
  const std::string content = std::string(kKeyword, sizeof kKeyword) + text, named = "iTXt" + content;
  const std::string chunk = big_endian(static_cast<uint32_t>(content.size())) + named + big_endian(crc(named));
  const auto* bytes = reinterpret_cast<const std::byte*>(chunk.data());
  png.insert(png.begin() + kHeaderEnd, bytes, bytes + chunk.size());
  return png;
}

std::optional<PngFacts> png_facts(std::span<const std::byte> png) {
  std::string_view rest = text_of(png);
  if (rest.size() < kHeaderEnd || rest.substr(0, kSignature.size()) != kSignature) return std::nullopt;
  const std::string_view keyword(kKeyword, sizeof kKeyword);
  PngFacts facts;
  facts.width = static_cast<int>(big_endian(rest.substr(16)));
  facts.height = static_cast<int>(big_endian(rest.substr(20)));
  rest.remove_prefix(kSignature.size());
  while (rest.size() >= kFrame) {
    const size_t length = big_endian(rest);
    if (length > rest.size() - kFrame) return std::nullopt;
    const std::string_view kind = rest.substr(4, 4), content = rest.substr(8, length);
    if (kind == "IEND") return facts;
    if (kind == "iTXt" && content.starts_with(keyword)) facts.description = content.substr(keyword.size());
    rest.remove_prefix(length + kFrame);
  }
  return std::nullopt;
}

}  // namespace nad
