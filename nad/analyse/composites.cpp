#include "nad/analyse/composites.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/rng.h"
#include "nad/analyse/statistics.h"

namespace nad {
namespace {

Image load_image(const Laboratory& laboratory, int64_t class_index, int64_t* place) {
  const LaboratoryParts& parts = laboratory.parts();
  const std::string& name = parts.val_class[class_index];
  const int64_t count = parts.images->count("val", name);
  for (int64_t tries = 0; tries < count; ++tries) {
    try {
      return decode_image(parts.images->load("val", name, {*place}).at(0));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::data) throw;
      if (parts.report) parts.report(e.what());
    }
    *place = (*place + 1) % count;
  }
  throw Error(ErrorKind::data, parts.images->where("val", name) + ": no image can be read");
}

}  // namespace

Composite draw_composite(const std::vector<int64_t>& classes, const std::vector<int64_t>& image_counts, uint64_t key,
                         int64_t number) {
  const auto n = static_cast<int64_t>(classes.size());
  const uint64_t k = random_key(key, static_cast<uint64_t>(number));
  const std::vector<int64_t> order = permutation(n, random_key(k, 0));
  Composite c;
  for (int64_t q = 0; q < 4; ++q) {
    c.classes[q] = classes[order[q]];
    c.images[q] = index_below(random_key(k, static_cast<uint64_t>(2 + q)), 0, image_counts[order[q]]);
    if (n > 4) c.swaps[q] = classes[order[4 + index_below(random_key(k, 1), static_cast<uint64_t>(q), n - 4)]];
  }
  return c;
}

Image compose(const std::array<Image, 4>& images, int size) {
  Image tiled{2 * size, 2 * size, std::vector<uint8_t>(static_cast<size_t>(12) * size * size)};
  for (int q = 0; q < 4; ++q) {
    const Image tile = resize(images[q], size, size);
    for (int y = 0; y < size; ++y) {
      const int64_t to = (int64_t{q / 2} * size + y) * 2 * size + int64_t{q % 2} * size;
      std::copy_n(tile.rgb.data() + int64_t{3} * y * size, 3 * size, tiled.rgb.data() + 3 * to);
    }
  }
  return resize(tiled, size, size);
}

void composite_pixels(const Laboratory& laboratory, Composite& composite, float* out) {
  const auto size = static_cast<int>(laboratory.parts().input_size);
  std::array<Image, 4> images;
  for (size_t q = 0; q < 4; ++q) images[q] = load_image(laboratory, composite.classes[q], &composite.images[q]);
  Preprocessor(size, laboratory.parts().preprocessing).normalize(compose(images, size).rgb.data(), false, out);
}

}  // namespace nad
