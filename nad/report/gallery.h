// Images with what the network makes of them beside each: the paper's Fig. 5.
#pragma once

#include <vector>

#include "nad/report/explanation_text.h"
#include "nad/report/picture.h"

namespace nad {

struct GalleryEntry {
  Image image;  // S x S
  Explanation explanation;
};

Picture gallery(const std::vector<GalleryEntry>& entries, const ClassNames& names);

}  // namespace nad
