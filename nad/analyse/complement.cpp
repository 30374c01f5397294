// Is a sub-architecture necessary? The network without it, on images of its class, beside the network without as many
// channels at random (docs/METHOD.md, section 5a.2).
#include <algorithm>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mask_trials.h"

namespace nad {
namespace {

struct Of {  // a class
  int64_t images = 0, kept_whole = 0;
  double original = 0, without = 0;
  std::vector<double> random;  // [draws]
};

Of try_class(const Study& study, int64_t c, const std::function<void(double)>& progress) {
  Of result;
  const LabelledPixels images = study.laboratory->images_of(c, kTrialOwn);
  result.images = static_cast<int64_t>(images.labels.size());
  const GateVectors rest = complement_mask(binary_mask(study.subject.of(c).logits), &result.kept_whole);
  const auto mask_of = [&](int64_t mask) {
    if (mask == 0) return GateVectors();
    // Draws of their own: their channels are not those that random_masks leaves out.
    return mask == 1 ? rest : random_mask(rest, random_mask_key(study.settings.seed + 1, c, mask - 2));
  };
  const std::vector<Trial> trials = try_masks(study, c, images, 2 + study.settings.draws, mask_of, progress);
  result.original = trials[0].own;
  result.without = trials[1].own;
  for (size_t i = 2; i < trials.size(); ++i) result.random.push_back(trials[i].own);
  return result;
}

Findings make(const Study& study) {
  const Subject& s = study.subject;
  const int64_t draws = study.settings.draws;
  const std::vector<int64_t> tested = classes_with_images(study);
  const auto n = static_cast<int64_t>(tested.size());
  std::vector<double> original, without, random_mean, differences;
  std::vector<double> sums(static_cast<size_t>(draws), 0);  // over classes
  std::vector<int64_t> images, kept_whole, lower;
  Array all{{n, draws}, {}};
  for (int64_t i = 0; i < n; ++i) {
    const Of of = try_class(study, tested[i], part_progress(study, i, n));
    images.push_back(of.images);
    kept_whole.push_back(of.kept_whole);
    original.push_back(of.original);
    without.push_back(of.without);
    random_mean.push_back(mean_of(of.random));
    differences.push_back(of.without - random_mean.back());
    lower.push_back(std::count_if(of.random.begin(), of.random.end(), [&](double r) { return r <= of.without; }));
    for (int64_t d = 0; d < draws; ++d) sums[d] += of.random[d];
    all.values.insert(all.values.end(), of.random.begin(), of.random.end());
  }
  Findings f;
  f.table = class_columns(s, tested);
  f.table.insert(f.table.end(), {{"images", images},
                                 {"original", original},
                                 {"complement", without},
                                 {"random_mean", random_mean},
                                 {"draws_at_most", lower},
                                 {"gates_kept_whole", kept_whole}});
  f.arrays["random"] = all;
  f.facts["classes"] = n;
  f.facts["draws"] = draws;
  f.facts["images_per_class_at_most"] = kTrialOwn;
  if (n == 0) {
    f.missing = "val images of the learnt classes";
    return f;
  }
  std::vector<double> draw_means;  // negated: the test is that the complement answers less
  for (const double sum : sums) draw_means.push_back(-sum / static_cast<double>(n));
  const uint64_t key = analysis_key(study.settings.seed, "complement");
  f.facts["mean_original"] = mean_of(original);
  put(f, "mean_complement", mean_of(without), bootstrap_mean(without, random_key(key, 0)));
  put(f, "mean_random", mean_of(random_mean), bootstrap_mean(random_mean, random_key(key, 1)));
  put(f, "difference", mean_of(differences), bootstrap_mean(differences, random_key(key, 2)));
  f.facts["p"] = p_value(-mean_of(without), draw_means);
  f.summary = text_of(
      "own images without the sub-architecture: %.4f right, without as many random channels %.4f, p %.4f (original "
      "%.4f; %lld classes, at most %lld images each, %lld draws)",
      mean_of(without), mean_of(random_mean), f.number("p"), mean_of(original), static_cast<long long>(n),
      static_cast<long long>(kTrialOwn), static_cast<long long>(draws));
  return f;
}

}  // namespace

const Analysis kComplement = {.name = "complement",
                              .about = "the network without the sub-architecture, beside random channels (5a.2)",
                              .network = true,
                              .settings = [](const AnalysisSettings& s) { return std::to_string(s.draws); },
                              .make = make};

}  // namespace nad
