// Is what was learnt better than chance? Balanced accuracy of the sub-architectures beside masks that keep as many
// channels of every gate at random, or those that are largest by a cheap criterion; and how much of a class is known by
// the sub-architectures of others (docs/METHOD.md, section 5a.3).
#include <algorithm>
#include <limits>

#include "nad/analyse/analysis.h"
#include "nad/analyse/channel_scores.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mask_trials.h"

namespace nad {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kScoredImages = 12;  // training images by which a criterion sorts a class's channels
constexpr int64_t kSwaps = 8;          // sub-architectures of other classes, at most
enum Mask : int64_t {
  kLearnt,
  kByActivation,
  kByGradient,
  kRandom
};  // kRandom and those behind it: draws, then swaps

struct Outcomes {
  std::vector<Trial> learnt, activation, gradient;             // [classes]
  std::vector<double> random_mean, random_own, random_alarms;  // [classes]
  std::vector<double> swapped_own;                             // [classes], through sub-architectures of others
  std::vector<int64_t> rank;                                   // [classes]
  std::vector<double> draw_sums;                               // [draws], over classes
  Array all;                                                   // [classes, draws], balanced accuracy
  int64_t unscored = 0;                                        // classes without a training image
};

std::vector<double> column(const std::vector<Trial>& trials, double Trial::*value) {
  std::vector<double> values;
  for (const Trial& trial : trials) values.push_back(trial.*value);
  return values;
}

// Up to kSwaps of the subject's classes but c, drawn.
std::vector<int64_t> swaps_of(const Study& study, int64_t c) {
  std::vector<int64_t> others;
  for (const int64_t d : study.subject.classes) {
    if (d != c) others.push_back(d);
  }
  const uint64_t key = random_key(analysis_key(study.settings.seed, "swaps"), static_cast<uint64_t>(c));
  std::vector<int64_t> drawn;
  for (const int64_t i : permutation(static_cast<int64_t>(others.size()), key)) {
    if (static_cast<int64_t>(drawn.size()) < kSwaps) drawn.push_back(others[i]);
  }
  return drawn;
}

void add_class(const Study& study, int64_t c, const LabelledPixels& pool, ChannelScores& scores,
               const std::function<void(double)>& progress, Outcomes& r) {
  const LabelledPixels images = joined(study.laboratory->images_of(c, kTrialOwn), others_than(pool, c));
  const GateVectors learnt = binary_mask(study.subject.of(c).logits);
  const std::vector<int64_t> kept = kept_channels(learnt);
  const LabelledPixels training = study.laboratory->training_images_of(c, kScoredImages);
  const ChannelScores::Scores by = scores.of(training, c);
  const std::vector<int64_t> swaps = swaps_of(study, c);
  const int64_t end_of_draws = kRandom + study.settings.draws;
  const auto mask_of = [&](int64_t mask) {
    if (mask == kLearnt) return learnt;
    if (mask == kByActivation) return largest(by.activation, kept);
    if (mask == kByGradient) return largest(by.activation_times_gradient, kept);
    if (mask >= end_of_draws) return binary_mask(study.subject.of(swaps[mask - end_of_draws]).logits);
    return random_mask(learnt, random_mask_key(study.settings.seed, c, mask - kRandom));
  };
  std::vector<Trial> trials =
      try_masks(study, c, images, end_of_draws + static_cast<int64_t>(swaps.size()), mask_of, progress);
  if (training.labels.empty()) {  // every channel scores 0: the largest are none
    trials[kByActivation] = trials[kByGradient] = {kNone, kNone, kNone};
    ++r.unscored;
  }
  r.learnt.push_back(trials[kLearnt]);
  r.activation.push_back(trials[kByActivation]);
  r.gradient.push_back(trials[kByGradient]);
  std::vector<double> balanced, own, alarms;
  int64_t reach = 0;  // as p counts them, ties too
  for (size_t i = kRandom; i < static_cast<size_t>(end_of_draws); ++i) {
    balanced.push_back(trials[i].balanced_accuracy);
    own.push_back(trials[i].own);
    alarms.push_back(trials[i].false_alarms);
    reach += !(trials[i].balanced_accuracy < trials[kLearnt].balanced_accuracy);
    r.draw_sums[i - kRandom] += trials[i].balanced_accuracy;
  }
  const std::vector<Trial> swapped(trials.begin() + end_of_draws, trials.end());
  r.swapped_own.push_back(mean_of(column(swapped, &Trial::own)));
  r.rank.push_back(1 + reach);
  r.random_mean.push_back(mean_of(balanced));
  r.random_own.push_back(mean_of(own));
  r.random_alarms.push_back(mean_of(alarms));
  r.all.values.insert(r.all.values.end(), balanced.begin(), balanced.end());
}

void add_facts(Findings& f, const Study& study, const Outcomes& r, int64_t n) {
  const std::vector<double> learnt = column(r.learnt, &Trial::balanced_accuracy),
                            activation = column(r.activation, &Trial::balanced_accuracy),
                            gradient = column(r.gradient, &Trial::balanced_accuracy);
  const uint64_t key = analysis_key(study.settings.seed, "random_masks");
  std::vector<double> draw_means;
  for (const double sum : r.draw_sums) draw_means.push_back(sum / static_cast<double>(n));
  put(f, "mean_balanced_accuracy", mean_of(learnt), bootstrap_mean(present(learnt), random_key(key, 0)));
  put(f, "mean_random", mean_of(r.random_mean), bootstrap_mean(present(r.random_mean), random_key(key, 1)));
  put(f, "mean_by_activation", mean_of(activation), bootstrap_mean(present(activation), random_key(key, 2)));
  put(f, "mean_by_gradient", mean_of(gradient), bootstrap_mean(present(gradient), random_key(key, 3)));
  const std::vector<double> own = column(r.learnt, &Trial::own);
  std::vector<double> gained;
  for (size_t i = 0; i < own.size(); ++i) gained.push_back(own[i] - r.swapped_own[i]);
  f.facts["mean_own"] = mean_of(own);
  f.facts["mean_swapped_own"] = mean_of(r.swapped_own);
  put(f, "own_difference", mean_of(gained), bootstrap_mean(present(gained), random_key(key, 4)));
  f.facts["mean_false_alarms"] = mean_of(column(r.learnt, &Trial::false_alarms));
  f.facts["p"] = p_value(mean_of(learnt), draw_means);
  f.summary = text_of(
      "balanced accuracy %.4f, of random masks %.4f, p %.4f; by activation %.4f, by activation x gradient %.4f; own "
      "%.4f, "
      "through other classes' sub-architectures %.4f (%lld classes, at most %lld own and %lld other images, %lld "
      "draws)",
      mean_of(learnt), mean_of(r.random_mean), f.number("p"), mean_of(activation), mean_of(gradient), mean_of(own),
      f.number("mean_swapped_own"), static_cast<long long>(n), static_cast<long long>(kTrialOwn),
      static_cast<long long>(kTrialOthers), static_cast<long long>(study.settings.draws));
}

Findings make(const Study& study) {
  const std::vector<int64_t> tested = classes_with_images(study);
  const auto n = static_cast<int64_t>(tested.size());
  Findings f;
  f.facts["classes"] = n;
  f.facts["draws"] = study.settings.draws;
  f.facts["swaps_at_most"] = kSwaps;
  f.facts["own_images_per_class_at_most"] = kTrialOwn;
  f.facts["other_images_at_most"] = kTrialOthers;
  f.facts["scored_images_per_class_at_most"] = kScoredImages;
  if (n == 0) {
    f.missing = "val images of the learnt classes";
    return f;
  }
  const LabelledPixels pool = study.laboratory->images_of_all(kTrialOthers);
  Outcomes r;
  r.draw_sums.assign(static_cast<size_t>(study.settings.draws), 0);
  r.all.shape = {n, study.settings.draws};
  ChannelScores scores(*study.laboratory);
  for (int64_t i = 0; i < n; ++i) add_class(study, tested[i], pool, scores, part_progress(study, i, n), r);
  f.table = class_columns(study.subject, tested);
  f.table.insert(f.table.end(), {{"balanced_accuracy", column(r.learnt, &Trial::balanced_accuracy)},
                                 {"own", column(r.learnt, &Trial::own)},
                                 {"false_alarms", column(r.learnt, &Trial::false_alarms)},
                                 {"swapped_own", r.swapped_own},
                                 {"rank", r.rank},
                                 {"random_balanced_accuracy", r.random_mean},
                                 {"random_own", r.random_own},
                                 {"random_false_alarms", r.random_alarms},
                                 {"by_activation", column(r.activation, &Trial::balanced_accuracy)},
                                 {"by_gradient", column(r.gradient, &Trial::balanced_accuracy)}});
  f.arrays["random"] = r.all;
  add_facts(f, study, r, n);
  if (r.unscored > 0) f.missing = "training images of " + std::to_string(r.unscored) + " classes, for the criteria";
  return f;
}

}  // namespace

const Analysis kRandomMasks = {
    .name = "random_masks",
    .about = "balanced accuracy beside random masks and cheap criteria (5a.3)",
    .network = true,
    .settings = [](const AnalysisSettings& s) { return std::to_string(s.draws) + " and swaps"; },
    .make = make};

}  // namespace nad
