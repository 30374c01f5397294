#include "nad/analyse/mask_trials.h"

#include <algorithm>
#include <limits>

#include "nad/analyse/specificity.h"

namespace nad {

std::vector<Trial> try_masks(const Study& study, int64_t own, const LabelledPixels& images, int64_t masks,
                             const MaskAnswers::MaskOf& mask_of, const std::function<void(double)>& progress) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (images.labels.empty()) return std::vector<Trial>(static_cast<size_t>(masks), {kNone, kNone, kNone});
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
  const auto some = [&](int64_t c, int64_t count) { return !study.laboratory->images_of(c, count).labels.empty(); };
  std::vector<int64_t> found;
  for (const int64_t c : study.subject.classes) {
    // The first that is drawn nearly always can be read.
    if (study.laboratory->has_images(c) && (some(c, 1) || some(c, kTrialOwn))) found.push_back(c);
  }
  return found;
}

std::function<void(double)> part_progress(const Study& study, int64_t i, int64_t n) {
  return [&study, i, n](double share) { study.progress((static_cast<double>(i) + share) / static_cast<double>(n)); };
}

}  // namespace nad
