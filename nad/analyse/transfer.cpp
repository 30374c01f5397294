// Does a sub-architecture know its class, or does it answer it whatever it is shown? Every sub-architecture, and the
// original network, on the val images of every class (docs/METHOD.md, section 5a.1).
#include <algorithm>
#include <cmath>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mask_trials.h"
#include "nad/analyse/specificity.h"

namespace nad {
namespace {

// What one network did, as one that should know class c.
struct Row {
  AnswerCounts counts;
  std::vector<float> own_scores, other_scores;  // the logit of c

  void add(int64_t own, int64_t label, const float* logits, int64_t answer) {
    ++counts.images[label];
    counts.as_own[label] += answer == own;
    counts.correct[label] += answer == label;
    (label == own ? own_scores : other_scores).push_back(logits[own]);
  }
};

struct Rows {
  std::vector<Row> gated, original;  // [classes of the subject]
};

struct Sizes {
  int64_t each = 0;  // images of a class that all masks are shown
  int64_t own = 0;   // that its own mask and the original are
};

Sizes sizes(const Study& study) {
  if (study.settings.images_per_class > 0) return {study.settings.images_per_class, study.settings.images_per_class};
  constexpr int64_t kLeast = 2, kMost = 50;
  const auto shown = static_cast<int64_t>(study.laboratory->image_classes().size());
  return {std::clamp(study.settings.pairs / ((1 + study.subject.count()) * shown), kLeast, kMost), kMost};
}

// The images of class k under all masks. alone: the place of its own mask, which own_images() takes, or -1.
void all_masks(const Study& study, int64_t k, int64_t count, int64_t alone,
               const std::function<void(double)>& progress, Rows& rows) {
  const Subject& s = study.subject;
  study.laboratory->network().run(
      study.laboratory->images_of(k, count), 1 + s.count(),
      [&](int64_t mask) { return mask == 0 ? GateVectors() : binary_mask(s.of(s.classes[mask - 1]).logits); },
      [&](int64_t mask, int64_t, const float* logits) {
        const int64_t answer = answers(logits, 1, study.laboratory->num_classes())[0];
        for (int64_t i = 0; mask == 0 && i < s.count(); ++i) {
          if (i != alone) rows.original[i].add(s.classes[i], k, logits, answer);
        }
        if (mask > 0 && mask - 1 != alone) rows.gated[mask - 1].add(s.classes[mask - 1], k, logits, answer);
      },
      progress);
}

// More images of the class at place i, under its own mask and in the original network.
void own_images(const Study& study, int64_t i, int64_t count, Rows& rows) {
  const int64_t c = study.subject.classes[i];
  study.laboratory->network().run(
      study.laboratory->images_of(c, count), 2,
      [&](int64_t mask) { return mask == 0 ? GateVectors() : binary_mask(study.subject.of(c).logits); },
      [&](int64_t mask, int64_t, const float* logits) {
        const int64_t answer = answers(logits, 1, study.laboratory->num_classes())[0];
        (mask == 0 ? rows.original : rows.gated)[i].add(c, c, logits, answer);
      },
      [&](double) { study.progress(1); });
}

Rows run_all(const Study& study, const Sizes& sizes) {
  const std::vector<int64_t>& classes = study.subject.classes;
  const std::vector<int64_t> none(static_cast<size_t>(study.laboratory->num_classes()), 0);
  const Row empty{{none, none, none}, {}, {}};
  Rows rows{std::vector<Row>(classes.size(), empty), std::vector<Row>(classes.size(), empty)};
  const std::vector<int64_t>& shown = study.laboratory->image_classes();
  for (size_t k = 0; k < shown.size(); ++k) {
    const auto place = std::lower_bound(classes.begin(), classes.end(), shown[k]);
    const bool learnt = place != classes.end() && *place == shown[k];
    const int64_t alone = learnt && sizes.own > sizes.each ? place - classes.begin() : -1;
    all_masks(study, shown[k], sizes.each, alone,
              part_progress(study, static_cast<int64_t>(k), static_cast<int64_t>(shown.size())), rows);
    if (alone >= 0) own_images(study, alone, sizes.own, rows);
  }
  return rows;
}

// [classes of the subject, classes with images]: the share of images that `counted` has.
Array shares(const std::vector<Row>& rows, const std::vector<int64_t>& shown,
             std::vector<int64_t> AnswerCounts::*counted) {
  Array a{{static_cast<int64_t>(rows.size()), static_cast<int64_t>(shown.size())}, {}};
  for (const Row& row : rows) {
    for (const int64_t k : shown) {
      a.values.push_back(static_cast<double>((row.counts.*counted)[k]) / static_cast<double>(row.counts.images[k]));
    }
  }
  return a;
}

// Columns and averages of one kind of network.
struct Columns {
  std::vector<int64_t> own_images, other_images, constant;
  std::vector<double> own, low, high, false_alarms, others_right, balanced, auroc;

  void add(const Row& row, int64_t c) {
    const Specificity s = specificity(row.counts, c);
    own_images.push_back(s.own_images);
    other_images.push_back(s.other_images);
    own.push_back(s.own);
    low.push_back(s.own_interval.low);
    high.push_back(s.own_interval.high);
    false_alarms.push_back(s.false_alarms);
    others_right.push_back(s.others_right);
    balanced.push_back(s.balanced_accuracy);
    auroc.push_back(nad::auroc(row.own_scores, row.other_scores));
    constant.push_back(s.constant_answer);
  }
  int64_t constants() const { return std::count(constant.begin(), constant.end(), 1); }
};

void put_mean(Findings& f, const std::string& name, const std::vector<double>& values, uint64_t key) {
  put(f, name, mean_of(values), bootstrap_mean(present(values), random_key(key, hash_name(name))));
}

void add_table(Findings& f, const Subject& s, const Columns& gated, const Columns& original) {
  std::vector<double> kept;
  for (const int64_t c : s.classes) kept.push_back(s.of(c).kept_percent() / 100);
  f.table = class_columns(s, s.classes);
  f.table.insert(f.table.end(), {{"kept_share", kept},
                                 {"own_images", gated.own_images},
                                 {"own", gated.own},
                                 {"own_low", gated.low},
                                 {"own_high", gated.high},
                                 {"other_images", gated.other_images},
                                 {"false_alarms", gated.false_alarms},
                                 {"others_right", gated.others_right},
                                 {"auroc", gated.auroc},
                                 {"balanced_accuracy", gated.balanced},
                                 {"constant_answer", gated.constant},
                                 {"original_own", original.own},
                                 {"original_false_alarms", original.false_alarms},
                                 {"original_others_right", original.others_right},
                                 {"original_auroc", original.auroc},
                                 {"original_balanced_accuracy", original.balanced}});
}

Findings make(const Study& study) {
  const Subject& s = study.subject;
  const std::vector<int64_t>& shown = study.laboratory->image_classes();
  const Sizes shown_images = sizes(study);
  const Rows rows = run_all(study, shown_images);
  Columns gated, original;
  for (size_t i = 0; i < s.classes.size(); ++i) {
    gated.add(rows.gated[i], s.classes[i]);
    original.add(rows.original[i], s.classes[i]);
  }
  Findings f;
  add_table(f, s, gated, original);
  f.arrays["transfer"] = shares(rows.gated, shown, &AnswerCounts::as_own);
  f.arrays["right"] = shares(rows.gated, shown, &AnswerCounts::correct);
  f.arrays["original_transfer"] = shares(rows.original, shown, &AnswerCounts::as_own);
  f.arrays["original_right"] = shares({rows.original.front()}, shown, &AnswerCounts::correct);
  f.arrays["classes"] = {{s.count()}, {s.classes.begin(), s.classes.end()}};
  f.arrays["image_classes"] = {{static_cast<int64_t>(shown.size())}, {shown.begin(), shown.end()}};
  Array images{{static_cast<int64_t>(shown.size())}, {}};
  for (const int64_t k : shown) {
    const size_t other = s.count() > 1 && k == s.classes[0] ? 1 : 0;
    images.values.push_back(static_cast<double>(rows.gated[other].counts.images[k]));
  }
  f.arrays["images"] = images;
  const uint64_t key = analysis_key(study.settings.seed, "transfer");
  put_mean(f, "mean_own", gated.own, key);
  put_mean(f, "mean_false_alarms", gated.false_alarms, key);
  put_mean(f, "mean_auroc", gated.auroc, key);
  put_mean(f, "mean_balanced_accuracy", gated.balanced, key);
  put_mean(f, "mean_original_own", original.own, key);
  put_mean(f, "mean_original_false_alarms", original.false_alarms, key);
  put_mean(f, "mean_original_auroc", original.auroc, key);
  put_mean(f, "mean_original_balanced_accuracy", original.balanced, key);
  f.facts["classes"] = s.count();
  f.facts["image_classes"] = static_cast<int64_t>(shown.size());
  f.facts["images_per_class_at_most"] = shown_images.each;
  f.facts["own_images_at_most"] = shown_images.own;
  f.facts["constant_answers"] = gated.constants();
  f.summary = text_of(
      "own %.4f, false alarms %.4f, AUROC %.4f, balanced accuracy %.4f; original: %.4f, %.4f, %.4f, %.4f; %lld of "
      "%lld "
      "constant answers (%lld image classes, at most %lld images of each, %lld own)",
      mean_of(gated.own), mean_of(gated.false_alarms), mean_of(gated.auroc), mean_of(gated.balanced),
      mean_of(original.own), mean_of(original.false_alarms), mean_of(original.auroc), mean_of(original.balanced),
      static_cast<long long>(gated.constants()), static_cast<long long>(s.count()),
      static_cast<long long>(shown.size()), static_cast<long long>(shown_images.each),
      static_cast<long long>(shown_images.own));
  return f;
}

}  // namespace

const Analysis kTransfer = {.name = "transfer",
                            .about = "every sub-architecture on every class's images: false alarms, AUROC (5a.1)",
                            .network = true,
                            .settings = [](const AnalysisSettings& s) { return std::to_string(s.images_per_class); },
                            .make = make};

}  // namespace nad
