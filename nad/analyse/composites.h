// Four images of four classes in one: top left, top right, bottom left, bottom right (docs/METHOD.md, section 5.3).
#pragma once

#include <array>

#include "nad/analyse/laboratory.h"

namespace nad {

struct Composite {
  std::array<int64_t, 4> classes{};              // of the network, one a quadrant
  std::array<int64_t, 4> images{};               // places among the source's val images of each
  std::array<int64_t, 4> swaps{-1, -1, -1, -1};  // for each quadrant a class that is not in it; -1: there is none
};

// Composite number `number` of the classes, by the counter generator. With k = random_key(key, number): a permutation
// of the classes by random_key(k, 0), of which the first four are in it; the swap of quadrant q is the one at 4 +
// index_below(random_key(k, 1), q, classes - 4); its image index_below(random_key(k, 2 + q), 0, image_counts of its
// class). image_counts: [classes], all above 0. PRECOND: at least four classes.
Composite draw_composite(const std::vector<int64_t>& classes, const std::vector<int64_t>& image_counts, uint64_t key,
                         int64_t number);

// Each image resized to size x size, the four side by side, and that resized to size x size.
Image compose(const std::array<Image, 4>& images, int size);

// Ready for the network. Where an image is broken the class's next one takes its place, and `composite` says so.
// Throws Error(data) where a class has none. out: [S, S, 3]
void composite_pixels(const Laboratory& laboratory, Composite& composite, float* out);

}  // namespace nad
