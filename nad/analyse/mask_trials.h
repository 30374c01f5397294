// Many masks of one class tried on a few images of it and of other classes: random masks, other sizes, complements.
#pragma once

#include <vector>

#include "nad/analyse/analysis.h"

namespace nad {

// Val images of a mask's own class and, of all classes together, of others: few, because the masks are many.
inline constexpr int64_t kTrialOwn = 12, kTrialOthers = 24;

struct Trial {  // shares in [0, 1]; NaN where there are no images for it
  double own = 0, false_alarms = 0, balanced_accuracy = 0;
};

// One trial a mask of the class `own`, all NaN without images. images: with labels.
std::vector<Trial> try_masks(const Study& study, int64_t own, const LabelledPixels& images, int64_t masks,
                             const MaskAnswers::MaskOf& mask_of, const std::function<void(double)>& progress);

// The subject's classes that have val images: of the first kTrialOwn that are drawn at least one can be read.
std::vector<int64_t> classes_with_images(const Study& study);

// The share of part `i` of `n` that is done, told to the study.
std::function<void(double)> part_progress(const Study& study, int64_t i, int64_t n);

}  // namespace nad
