#include "nad/images/composite.h"

#include <algorithm>

#include "nad/images/resize.h"

namespace nad {

Image composite(const std::array<const Image*, 4>& images, int size) {
  const int side = 2 * size;
  Image whole{side, side, std::vector<uint8_t>(static_cast<size_t>(side) * static_cast<size_t>(side) * 3)};
  const auto row = static_cast<size_t>(3 * size);  // bytes of a tile's
  for (size_t i = 0; i < images.size(); ++i) {
    const Image tile = resize(*images[i], size, size);
    for (size_t y = 0; y < static_cast<size_t>(size); ++y) {
      const size_t at = ((i / 2) * static_cast<size_t>(size) + y) * 2 * row + (i % 2) * row;
      std::copy_n(tile.rgb.begin() + static_cast<std::ptrdiff_t>(y * row), row,
                  whole.rgb.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  return resize(whole, size, size);
}

}  // namespace nad
