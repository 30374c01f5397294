#include "nad/images/decode/stb.h"

#include <cstdlib>
#include <memory>

#include "nad/images/decode/format.h"

#ifndef NAD_TURBOJPEG
#define NAD_TURBOJPEG 0
#endif
#if !NAD_TURBOJPEG
#define STBI_ONLY_JPEG
#endif
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#define STBI_MAX_DIMENSIONS 16384
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

namespace nad::decode {

static_assert(STBI_MAX_DIMENSIONS == kMaxImageSide);

#ifdef NAD_STB_VERSION  // it has no macro of its own
std::string stb_library() { return "stb_image " NAD_STB_VERSION; }
#else
std::string stb_library() { return "stb_image"; }
#endif

Image decode_with_stb(const EncodedImage& encoded) {
  const int size = static_cast<int>(encoded.bytes.size());
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(encoded.bytes.data(), size, &width, &height, &channels))
    fail(encoded, stbi_failure_reason());
  check_dimensions(encoded, width, std::abs(int64_t{height}));  // that of a BMP stored from the top is negative
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(encoded.bytes.data(), size, &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) {
    const std::string why = stbi_failure_reason();
    if (why == "Out of memory") no_memory(encoded, width, height);
    fail(encoded, why);
  }
  return {width, height, {pixels.get(), pixels.get() + int64_t{3} * width * height}};
}

}  // namespace nad::decode
