#include "nad/report/feature_maps.h"

#include <algorithm>
#include <cmath>

#include "nad/images/resize.h"

namespace nad {
namespace {

constexpr int kGap = 6;           // pixels between cells
constexpr int kLargestCell = 96;  // pixels of a side: seventeen of them fit a screen
constexpr int kNameWidth = 180;   // of the column with the names of the rows

struct Layout {
  int cell, columns, rows, header;
  int left(int column) const { return kGap + kNameWidth + column * (cell + kGap); }
  int top(int row) const { return header + kTextHeight + row * (cell + kGap); }
  int width() const { return std::max(left(columns), kNameWidth + 800); }
  int height() const { return top(rows) + kGap; }
};

Image shrunk(const Image& image, int side) { return image.width == side ? image : resize(image, side, side); }

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string description(const std::vector<std::string>& gates, const std::vector<FeatureMapRow>& rows,
                        const std::vector<std::string>& captions) {
  std::string text;
  for (const std::string& line : captions) text += line + "\n";
  std::vector<std::string> names;
  for (const FeatureMapRow& row : rows) names.push_back(row.name);
  return text + "rows: " + joined(names) + "; columns: " + joined(gates);
}

}  // namespace

Image darkened(const Image& image, const std::vector<uint8_t>& mask) {
  Image result = image;
  for (size_t pixel = 0; pixel < result.rgb.size() / 3; ++pixel) {
    if (!mask.empty() && mask[pixel]) continue;
    for (size_t c = 0; c < 3; ++c) {
      uint8_t& value = result.rgb[3 * pixel + c];
      value = static_cast<uint8_t>(std::lround((1 - kDarkened) * value));
    }
  }
  return result;
}

Picture feature_map_grid(const Image& image, const std::vector<std::string>& gates,
                         const std::vector<FeatureMapRow>& rows, const std::vector<std::string>& captions) {
  Layout at{std::min(image.width, kLargestCell), static_cast<int>(gates.size()), static_cast<int>(rows.size()), 0};
  const int lines = static_cast<int>(captions.size()) * kTextHeight;
  at.header = 2 * kGap + std::max(std::min(image.height, 2 * kLargestCell), lines);
  Picture picture(at.width(), at.height());
  const Image preview = shrunk(image, std::min(image.width, 2 * kLargestCell));
  picture.paste(preview, kGap, kGap);
  const int beside = std::max(kNameWidth, preview.width) + 2 * kGap;
  for (size_t i = 0; i < captions.size(); ++i) {
    picture.text(beside, kGap + static_cast<int>(i) * kTextHeight, captions[i], i == 0 ? kInk : kFaint,
                 picture.width() - beside - kGap);
  }
  for (int column = 0; column < at.columns; ++column) {
    picture.text(at.left(column), at.header, gates[column], kFaint, at.cell);
    for (int row = 0; row < at.rows; ++row) {
      picture.paste(shrunk(darkened(image, rows[row].masks[column]), at.cell), at.left(column), at.top(row));
    }
  }
  for (int row = 0; row < at.rows; ++row) {
    picture.text(kGap, at.top(row) + at.cell / 2 - kTextHeight / 2, rows[row].name, kInk, kNameWidth - kGap);
  }
  picture.describe(description(gates, rows, captions));
  return picture;
}

Image denormalised(const float* pixels, int size, const float mean[3], const float stddev[3]) {
  Image image{size, size, std::vector<uint8_t>(static_cast<size_t>(size) * static_cast<size_t>(size) * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    const float value = 255 * (pixels[i] * stddev[i % 3] + mean[i % 3]);
    image.rgb[i] = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
  }
  return image;
}

}  // namespace nad
