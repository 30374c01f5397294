#include "nad/report/picture.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/error.h"
#include "nad/report/png_description.h"
#include "weights/durable_file.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_easy_font.h>
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace nad {
namespace {

constexpr int kFontScale = 2;  // pixels of the picture for one of the font

std::string printable(const std::string& line) {
  std::string text;
  for (const char c : line) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;  // a further byte of UTF-8
    if (!continues) text += c >= ' ' && c <= '~' ? c : '?';
  }
  return text;
}

int width_of(std::string text) { return kFontScale * stb_easy_font_width(text.data()); }

}  // namespace

int text_width(const std::string& line) { return width_of(printable(line)); }

Picture::Picture(int width, int height, Colour background) {
  image_.width = width;
  image_.height = height;
  image_.rgb.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  fill(0, 0, width, height, background);
}

void Picture::paste(const Image& image, int left, int top) {
  const int first = std::max(0, -left), last = std::min(image.width, width() - left);
  if (last <= first) return;
  for (int y = std::max(0, -top); y < std::min(image.height, height() - top); ++y) {
    std::memcpy(&image_.rgb[3 * (static_cast<size_t>(top + y) * width() + left + first)],
                &image.rgb[3 * (static_cast<size_t>(y) * image.width + first)],
                3 * static_cast<size_t>(last - first));
  }
}

void Picture::fill(int left, int top, int width, int height, Colour colour) {
  for (int y = std::max(0, top); y < std::min(top + height, image_.height); ++y) {
    for (int x = std::max(0, left); x < std::min(left + width, image_.width); ++x) {
      std::copy(colour.begin(), colour.end(), &image_.rgb[3 * (static_cast<size_t>(y) * image_.width + x)]);
    }
  }
}

void Picture::text(int left, int top, const std::string& line, Colour colour, int most) {
  std::string text = printable(line);
  if (width_of(text) > most) {
    while (!text.empty() && width_of(text + "..") > most) text.pop_back();
    text += "..";
  }
  struct Corner {
    float x, y, z;
    unsigned char rgba[4];
  };
  std::vector<Corner> corners(text.size() * 4 * 16 + 4);  // a character has at most 16 strokes, each a rectangle
  const int strokes = stb_easy_font_print(0, 0, text.data(), nullptr, corners.data(),
                                          static_cast<int>(corners.size() * sizeof(Corner)));
  for (int i = 0; i < strokes; ++i) {
    const Corner &from = corners[4 * i], &to = corners[4 * i + 2];
    fill(left + kFontScale * static_cast<int>(from.x), top + kFontScale * static_cast<int>(from.y),
         kFontScale * static_cast<int>(to.x - from.x), kFontScale * static_cast<int>(to.y - from.y), colour);
  }
}

void Picture::save(const std::string& path) const {
  std::vector<std::byte> bytes;
  const auto append = [](void* to, void* data, int count) {
    const auto* first = static_cast<const std::byte*>(data);
    static_cast<std::vector<std::byte>*>(to)->insert(static_cast<std::vector<std::byte>*>(to)->end(), first,
                                                     first + count);
  };
  if (!stbi_write_png_to_func(append, &bytes, image_.width, image_.height, 3, image_.rgb.data(), 3 * image_.width)) {
    throw Error(ErrorKind::memory, "no room to encode a picture of " + std::to_string(image_.width) + " x " +
                                       std::to_string(image_.height) + " pixels");
  }
  if (!description_.empty()) bytes = with_description(std::move(bytes), description_);
  write_durably(path, bytes, "picture");
}

}  // namespace nad
