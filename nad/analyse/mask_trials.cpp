#include "nad/analyse/mask_trials.h"

#include <algorithm>

#include "nad/analyse/specificity.h"

namespace nad {

std::vector<Trial> try_masks(const Study& study, int64_t own, const LabelledPixels& images, int64_t masks,
                             const MaskAnswers::MaskOf& mask_of, const std::function<void(double)>& progress) {
  const int64_t classes = study.laboratory->num_classes();
  const std::vector<int64_t> none(static_cast<size_t>(classes), 0);
  AnswerCounts counts{none, none, none};  // of the mask at hand: they come one after the other
  std::vector<Trial> trials;
  const auto count = static_cast<int64_t>(images.labels.size());
  study.laboratory->network().run(
      images, masks, mask_of,
      [&](int64_t, int64_t image, const float* logits) {
        const int64_t label = images.labels[image], answer = answers(logits, 1, classes)[0];
        if (image == 0) counts = {none, none, none};
        ++counts.images[label];
        counts.as_own[label] += answer == own;
        counts.correct[label] += answer == label;
        if (image + 1 < count) return;
        const Specificity s = specificity(counts, own);
        trials.push_back({s.own, s.false_alarms, s.balanced_accuracy});
      },
      progress);
  return trials;
}

std::vector<int64_t> classes_with_images(const Study& study) {
  std::vector<int64_t> found;
  for (const int64_t c : study.subject.classes) {
    if (study.laboratory->has_images(c)) found.push_back(c);
  }
  return found;
}

std::function<void(double)> part_progress(const Study& study, int64_t i, int64_t n) {
  return [&study, i, n](double share) { study.progress((static_cast<double>(i) + share) / static_cast<double>(n)); };
}

}  // namespace nad
