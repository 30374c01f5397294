// What a PNG file says of itself in words: an iTXt chunk of the keyword Description (PNG specification, 11.3.4.5). It goes
// with the picture into a page, where it is read aloud to those who do not see it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace nad {

// The file with the description in it, behind its header. PRECOND: png is a PNG file without one. text: UTF-8
std::vector<std::byte> with_description(std::vector<std::byte> png, const std::string& text);

struct PngFacts {
  int width = 0, height = 0;
  std::string description;  // empty where there is none
};

// Nothing for bytes that are no PNG file from its signature to its last chunk.
std::optional<PngFacts> png_facts(std::span<const std::byte> png);

}  // namespace nad
