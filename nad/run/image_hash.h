// By which a results file knows decoded images again.
#pragma once

#include <cstdint>
#include <vector>

#include "nad/images/images.h"

namespace nad {

// Continues a hash (nad/store/file_hash.h) over the sizes and pixels of images.
uint64_t hash_images(uint64_t hash, const std::vector<Image>& images);

}  // namespace nad
