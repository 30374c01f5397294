// libFuzzer's target for images: whatever the bytes, decode_image() gives pixels or an Error.
#include <cstdlib>

#include "engine/error.h"
#include "nad/images/images.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const nad::Image image = nad::decode_image({"fuzzed", {bytes, bytes + size}});
    const bool whole =
        image.width > 0 && image.height > 0 &&
        image.rgb.size() == size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
    if (!whole) std::abort();
  } catch (const nad::Error& e) {
    const std::string line = e.what();
    if (line.find("fuzzed") == std::string::npos || line.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
