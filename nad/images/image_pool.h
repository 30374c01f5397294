// Images drawn evenly from many classes: what a network is shown that is not of the class in question.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "nad/images/dataset.h"

namespace nad {

struct ImagePool {
  std::vector<int64_t> labels;  // [images], classes of the network
  std::vector<Image> images;    // decoded
  int64_t broken = 0;           // drawn, could not be read, left out
  // Of each image, where it was drawn from a source:
  std::vector<std::string> names;  // as the source has them
  std::vector<int64_t> places;     // among its class's images there
};

// At most so many images, and at most so many bytes of their pixels, which every class has an equal share of: what
// goes beyond it is left out, but for the class's first image. Where these alone go beyond all the bytes, the classes
// that come last have none; one image there always is.
struct PoolLimits {
  int64_t images = 0;
  int64_t bytes = std::numeric_limits<int64_t>::max();
};

// Images of a split, as evenly from its classes as they have images: in rounds, each of which takes one more image of
// every class that has one left, the classes and a class's images in a shuffled order. Images of a class lie side by
// side. Only the drawn files are read. A pure function of (source, limits, seed). source_class: [classes of the
// network], the source's name of each, empty where it has none (ClassMatch). A class whose folder cannot be read has
// none. A broken image is handed to `report` and not replaced.
ImagePool draw_image_pool(const ImageSource& source, const std::string& split,
                          const std::vector<std::string>& source_class, const PoolLimits& limits, uint64_t seed,
                          int workers, const std::function<void(const std::string&)>& report);

}  // namespace nad
