#include "nad/run/image_hash.h"

#include "nad/store/file_hash.h"

namespace nad {

uint64_t hash_images(uint64_t hash, const std::vector<Image>& images) {
  for (const Image& image : images) {
    const int64_t size[2] = {image.width, image.height};
    hash = hash_bytes(hash, size, sizeof size);
    hash = hash_bytes(hash, image.rgb.data(), image.rgb.size());
  }
  return hash;
}

}  // namespace nad
