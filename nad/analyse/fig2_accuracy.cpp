// Fig. 2: does disentanglement occur? Top-1 of the original network and of each class's own sub-architecture, as the
// results file has them (docs/METHOD.md, section 5.1).

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/histogram.h"

namespace nad {
namespace {

Findings make(const Study& study) {
  const Subject& s = study.subject;
  std::vector<double> before, after, alarms;
  int64_t constant = 0;
  for (const int64_t c : s.classes) {
    before.push_back(s.of(c).top1_before);
    after.push_back(s.of(c).top1_after);
    alarms.push_back(s.of(c).false_alarms);
    constant += s.of(c).constant_answer();
  }
  Findings f;
  const auto measured = static_cast<int64_t>(present(after).size());
  f.facts["classes"] = measured;
  f.facts["constant_answers"] = constant;
  const uint64_t key = analysis_key(study.settings.seed, "fig2_accuracy");
  put(f, "mean_before", mean_of(before), bootstrap_mean(present(before), random_key(key, 0)));
  put(f, "mean_after", mean_of(after), bootstrap_mean(present(after), random_key(key, 1)));
  put(f, "mean_false_alarms", mean_of(alarms), bootstrap_mean(present(alarms), random_key(key, 2)));
  const auto bins_before = accuracy_histogram(before), bins_after = accuracy_histogram(after);
  std::vector<int64_t> above, up_to;
  for (int64_t bin = 0; bin < 10; ++bin) {
    above.push_back(10 * bin);
    up_to.push_back(10 * (bin + 1));
  }
  f.table = {{"above", above},
             {"up_to", up_to},
             {"before", std::vector<int64_t>(bins_before.begin(), bins_before.end())},
             {"after", std::vector<int64_t>(bins_after.begin(), bins_after.end())}};
  const std::vector<int64_t> shape = {s.count()};
  f.arrays["class_before"] = {shape, before};
  f.arrays["class_after"] = {shape, after};
  f.arrays["class_false_alarms"] = {shape, alarms};
  f.arrays["classes"] = {shape, {s.classes.begin(), s.classes.end()}};
  f.summary = text_of(
      "Top-1 %.2f %% before, %.2f %% after, false alarms %.2f %% (means of %lld classes, %lld of them constant "
      "answers)",
      mean_of(before), mean_of(after), mean_of(alarms), static_cast<long long>(measured),
      static_cast<long long>(constant));
  if (measured == 0) f.missing = "the results hold no accuracies";
  return f;
}

}  // namespace

const Analysis kFig2Accuracy = {.name = "fig2_accuracy",
                                .about = "histogram of Top-1 before and after, with false alarms (Fig. 2)",
                                .make = make};

}  // namespace nad
