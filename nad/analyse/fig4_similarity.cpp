// Fig. 4, row 1: how alike the sub-architectures of different classes are, layer by layer, beside what sets of the same
// sizes have by chance (docs/METHOD.md, sections 5.2 and 5a.5).
#include <cmath>

#include "nad/analyse/analysis.h"
#include "nad/analyse/class_pairs.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/layer_trend.h"

namespace nad {
namespace {

Findings make(const Study& study) {
  const Subject& subject = study.subject;
  const MaskTable masks = mask_table(subject.results(), subject.classes);
  const Similarity s = similarity(masks);
  const uint64_t key = analysis_key(study.settings.seed, "fig4_similarity");
  std::vector<int64_t> gate, channels;
  std::vector<double> low, high, kept, excess;
  for (int64_t g = 0; g < masks.gates(); ++g) {
    study.progress(static_cast<double>(g) / static_cast<double>(masks.gates()));
    const Interval interval =
        pair_mean_interval(pair_similarity(masks, g), masks.classes(), random_key(key, static_cast<uint64_t>(g)));
    gate.push_back(g);
    channels.push_back(masks.channels(g));
    low.push_back(interval.low);
    high.push_back(interval.high);
    double sum = 0;
    for (int64_t c = 0; c < masks.classes(); ++c) sum += static_cast<double>(masks.kept(c, g));
    kept.push_back(sum / static_cast<double>(masks.classes() * masks.channels(g)));
    excess.push_back(s.chance[g] < 1 ? (s.layers[g] - s.chance[g]) / (1 - s.chance[g]) : std::nan(""));
  }
  Findings f;
  f.table = {{"gate", gate},
             {"layer", subject.results().gate_names},
             {"channels", channels},
             {"kept_share", kept},
             {"similarity", s.layers},
             {"similarity_low", low},
             {"similarity_high", high},
             {"chance", s.chance},
             {"above_chance", excess}};
  const int64_t n = masks.classes();
  f.arrays["matrix"] = {{n, n}, s.matrix};
  f.arrays["classes"] = {{n}, {subject.classes.begin(), subject.classes.end()}};
  f.facts["classes"] = n;
  f.facts["pairs"] = n * (n - 1) / 2;
  f.facts["bootstrap_draws"] = pair_bootstrap_draws(n);
  put(f, "mean_similarity", mean_of(s.layers), pair_mean_interval(s.matrix, n, random_key(key, hash_name("matrix"))));
  f.facts["mean_chance"] = mean_of(s.chance);
  const Trend trend = falling_trend(excess, random_key(key, hash_name("trend")));
  f.facts["depth_correlation"] = trend.correlation;
  f.facts["depth_p"] = trend.p;
  f.summary =
      text_of("similarity of two classes %.4f [%.4f, %.4f], by chance %.4f (mean of %lld layers, %lld classes)",
              mean_of(s.layers), f.number("mean_similarity_low"), f.number("mean_similarity_high"), mean_of(s.chance),
              static_cast<long long>(masks.gates()), static_cast<long long>(n));
  return f;
}

}  // namespace

const Analysis kFig4Similarity = {
    .name = "fig4_similarity",
    .about = "Jaccard similarity by layer and class by class, beside chance (Fig. 4, row 1)",
    .classes = 2,
    .make = make};

}  // namespace nad
