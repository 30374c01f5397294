// Four images in one, so that a network can be asked where it looks (docs/METHOD.md, section 5.3).
#pragma once

#include <array>

#include "nad/images/images.h"

namespace nad {

// Each image is resized to size x size, they are put side by side as 2 x 2 (top left, top right, bottom left, bottom
// right), and the whole is resized to size x size.
Image composite(const std::array<const Image*, 4>& images, int size);

}  // namespace nad
