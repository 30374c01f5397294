// A picture that is put together from images, areas of one colour and lines of text, and saved as PNG.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "nad/images/images.h"

namespace nad {

using Colour = std::array<uint8_t, 3>;  // red, green, blue

inline constexpr Colour kPaper{255, 255, 255}, kInk{24, 24, 24}, kFaint{120, 120, 120}, kAlarm{176, 42, 24};
inline constexpr int kTextHeight = 20;  // pixels from one line of text to the next

class Picture {
 public:
  Picture(int width, int height, Colour background = kPaper);

  int width() const { return image_.width; }
  int height() const { return image_.height; }
  const Image& image() const { return image_; }

  // What would lie outside is left out.
  void paste(const Image& image, int left, int top);
  void fill(int left, int top, int width, int height, Colour colour);
  // One line; characters that the font lacks (anything but printable ASCII) become '?', and what needs more than
  // `most` pixels is cut off at "..".
  void text(int left, int top, const std::string& line, Colour colour = kInk, int most = 1 << 20);

  // What the picture shows, in words: the file carries it (png_description.h).
  void describe(const std::string& text) { description_ = text; }

  // Whole or not at all. Throws Error(data) where the file cannot be written.
  void save(const std::string& path) const;

 private:
  Image image_;
  std::string description_;
};

int text_width(const std::string& line);  // pixels

}  // namespace nad
