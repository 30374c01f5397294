// stb_image, which every build has: PNG and BMP, and JPEG where libjpeg-turbo is missing.
#pragma once

#include <string>

#include "nad/images/images.h"

namespace nad::decode {

std::string stb_library();

// Throws as decode_image(). The caller has checked what stb_image does not: that the file is whole and sane.
Image decode_with_stb(const EncodedImage& encoded);

}  // namespace nad::decode
