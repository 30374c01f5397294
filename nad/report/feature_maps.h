// Where networks look, layer by layer: the grids of the paper's Fig. 4 (rows 3 and 4) and Figs. 7 to 16. A cell is the
// image with all pixels darkened by 80 % that are not activated (docs/METHOD.md, section 5.4).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nad/report/picture.h"

namespace nad {

inline constexpr double kDarkened = 0.8;

// The activated pixels of every gate under one network. mask: [S, S]; empty where the map has one value all over.
struct FeatureMapRow {
  std::string name;  // "original", or the class whose sub-architecture it is
  std::vector<std::vector<uint8_t>> masks;
};

// Pixels that are 0 in the mask are darkened; with an empty mask all are.
Image darkened(const Image& image, const std::vector<uint8_t>& mask);

// A column for every gate, a row for every network; above them the image with the lines of `captions` beside it. They
// and the names of rows and gates are its description too.
// image: S x S.
Picture feature_map_grid(const Image& image, const std::vector<std::string>& gates,
                         const std::vector<FeatureMapRow>& rows, const std::vector<std::string>& captions);

// The input of a network as an image again. pixels: [S, S, 3], normalised.
Image denormalised(const float* pixels, int size, const float mean[3], const float stddev[3]);

}  // namespace nad
