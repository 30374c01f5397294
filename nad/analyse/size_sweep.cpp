// Own accuracy and false alarms of sub-architectures of other sizes: the share q of each gate's channels that have the
// largest logits (docs/METHOD.md, section 5a.4).
#include <algorithm>
#include <cmath>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mask_trials.h"

namespace nad {
namespace {

constexpr int64_t kSizes = 10;  // 0.1, ..., 1

double share_of(int64_t size) { return static_cast<double>(size + 1) / kSizes; }

// Rounded to the nearest number of channels, a half up; at least one.
std::vector<int64_t> keep(const std::vector<int64_t>& channels, int64_t size) {
  std::vector<int64_t> kept;
  for (const int64_t c : channels) kept.push_back(std::max<int64_t>(1, (2 * c * (size + 1) + kSizes) / (2 * kSizes)));
  return kept;
}

Findings make(const Study& study) {
  const Subject& s = study.subject;
  const std::vector<int64_t> tested = classes_with_images(study);
  const auto n = static_cast<int64_t>(tested.size());
  const LabelledPixels pool = study.laboratory->images_of_all(kTrialOthers);
  std::vector<std::vector<double>> own(kSizes), alarms(kSizes);  // [sizes][classes]
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = tested[i];
    const LabelledPixels images = joined(study.laboratory->images_of(c, kTrialOwn), others_than(pool, c));
    const std::vector<Trial> trials = try_masks(
        study, c, images, kSizes,
        [&](int64_t size) { return largest(s.of(c).logits, keep(s.results().channels, size)); },
        part_progress(study, i, n));
    for (int64_t size = 0; size < kSizes; ++size) {
      own[size].push_back(trials[size].own);
      alarms[size].push_back(trials[size].false_alarms);
    }
  }
  Findings f;
  const uint64_t key = analysis_key(study.settings.seed, "size_sweep");
  std::vector<double> q, own_mean, own_low, own_high, alarms_mean, alarms_low, alarms_high;
  Array own_all{{kSizes, n}, {}}, alarms_all{{kSizes, n}, {}};
  for (int64_t size = 0; size < kSizes; ++size) {
    const Interval of_own = bootstrap_mean(own[size], random_key(key, static_cast<uint64_t>(2 * size)));
    const Interval of_alarms = bootstrap_mean(alarms[size], random_key(key, static_cast<uint64_t>(2 * size + 1)));
    q.push_back(share_of(size));
    own_mean.push_back(mean_of(own[size]));
    own_low.push_back(of_own.low);
    own_high.push_back(of_own.high);
    alarms_mean.push_back(mean_of(alarms[size]));
    alarms_low.push_back(of_alarms.low);
    alarms_high.push_back(of_alarms.high);
    own_all.values.insert(own_all.values.end(), own[size].begin(), own[size].end());
    alarms_all.values.insert(alarms_all.values.end(), alarms[size].begin(), alarms[size].end());
  }
  f.table = {{"q", q},
             {"own", own_mean},
             {"own_low", own_low},
             {"own_high", own_high},
             {"false_alarms", alarms_mean},
             {"false_alarms_low", alarms_low},
             {"false_alarms_high", alarms_high}};
  f.arrays["own"] = own_all;
  f.arrays["false_alarms"] = alarms_all;
  f.arrays["classes"] = {{n}, {tested.begin(), tested.end()}};
  f.facts["classes"] = n;
  f.facts["own_images_per_class_at_most"] = kTrialOwn;
  f.facts["other_images_at_most"] = kTrialOthers;
  f.summary = text_of(
      "own / false alarms at q = 0.3: %.3f / %.3f, 0.5: %.3f / %.3f, 0.8: %.3f / %.3f, 1: %.3f / %.3f (%lld classes)",
      own_mean[2], alarms_mean[2], own_mean[4], alarms_mean[4], own_mean[7], alarms_mean[7], own_mean[9],
      alarms_mean[9], static_cast<long long>(n));
  if (n == 0) f.missing = "val images of the learnt classes";
  return f;
}

}  // namespace

const Analysis kSizeSweep = {.name = "size_sweep",
                             .about = "own accuracy and false alarms of other sizes (5a.4)",
                             .network = true,
                             .make = make};

}  // namespace nad
