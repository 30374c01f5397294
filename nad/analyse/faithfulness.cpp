// Does a sub-architecture answer its own images as the original network does? (docs/METHOD.md, section 5a.2)
#include <algorithm>
#include <cmath>

#include "nad/analyse/analysis.h"
#include "nad/analyse/divergence.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mask_trials.h"

namespace nad {
namespace {

constexpr int64_t kImages = 50;  // of a class

Findings make(const Study& study) {
  const Subject& s = study.subject;
  const int64_t classes = study.laboratory->num_classes();
  const std::vector<int64_t> tested = classes_with_images(study);
  std::vector<int64_t> images_of_class;
  std::vector<double> divergence, agreement, low, high;
  int64_t all = 0;
  for (size_t i = 0; i < tested.size(); ++i) {
    const LabelledPixels images = study.laboratory->images_of(tested[i], kImages);
    const auto count = static_cast<int64_t>(images.labels.size());
    std::vector<std::vector<float>> original(images.labels.size());
    double sum = 0;
    int64_t same = 0;
    study.laboratory->network().run(
        images, 2, [&](int64_t mask) { return mask == 0 ? GateVectors() : binary_mask(s.of(tested[i]).logits); },
        [&](int64_t mask, int64_t image, const float* logits) {
          if (mask == 0) return original[image].assign(logits, logits + classes);
          sum += kl_divergence(original[image], {logits, static_cast<size_t>(classes)});
          same += answers(original[image].data(), 1, classes) == answers(logits, 1, classes);
        },
        part_progress(study, static_cast<int64_t>(i), static_cast<int64_t>(tested.size())));
    images_of_class.push_back(count);
    divergence.push_back(sum / static_cast<double>(count));
    agreement.push_back(static_cast<double>(same) / static_cast<double>(count));
    low.push_back(wilson(same, count).low);
    high.push_back(wilson(same, count).high);
    all += count;
  }
  Findings f;
  f.table = class_columns(s, tested);
  f.table.insert(f.table.end(), {{"images", images_of_class},
                                 {"kl", divergence},
                                 {"agreement", agreement},
                                 {"agreement_low", low},
                                 {"agreement_high", high}});
  const uint64_t key = analysis_key(study.settings.seed, "faithfulness");
  f.facts["classes"] = static_cast<int64_t>(tested.size());
  f.facts["images"] = all;
  put(f, "mean_kl", mean_of(divergence), bootstrap_mean(divergence, random_key(key, 0)));
  put(f, "mean_agreement", mean_of(agreement), bootstrap_mean(agreement, random_key(key, 1)));
  f.summary = text_of("KL(original || sub-architecture) %.4f, Top-1 agreement %.4f (%lld classes, %lld own images)",
                      mean_of(divergence), mean_of(agreement), static_cast<long long>(tested.size()),
                      static_cast<long long>(all));
  if (tested.empty()) f.missing = "val images of the learnt classes";
  return f;
}

}  // namespace

const Analysis kFaithfulness = {.name = "faithfulness",
                                .about = "agreement with the original network on own images (5a.2)",
                                .network = true,
                                .make = make};

}  // namespace nad
