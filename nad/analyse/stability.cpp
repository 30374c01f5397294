// Is it the class that makes a sub-architecture, or the start it was learnt from? Masks of a class in several runs
// beside masks of other classes in the same run (docs/METHOD.md, section 5a.5).
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/run_similarity.h"

namespace nad {
namespace {

constexpr int64_t kPermutations = 2000;

std::vector<int64_t> finished_in_all(const Subject& s) {
  std::vector<int64_t> classes;
  for (const int64_t c : s.classes) {
    const bool everywhere = std::all_of(s.runs.begin(), s.runs.end(), [c](const Results& run) {
      const auto found = run.classes.find(c);
      return found != run.classes.end() && found->second.finished;
    });
    if (everywhere) classes.push_back(c);
  }
  return classes;
}

std::string run_text(const RunSettings& r) {
  return "seed " + std::to_string(r.seed) + ", order " + std::to_string(r.order_seed) + ", half " + r.half;
}

// The test, of the first run of each seed: runs that share one share the start of every class, and would be alike even
// if the class decided nothing. similarity: of all runs.
void add_test(Findings& f, const std::vector<Results>& runs, const std::vector<MaskTable>& masks, uint64_t key,
              const RunSimilarity& similarity) {
  std::set<uint64_t> seeds;
  std::vector<MaskTable> of_starts;
  for (size_t r = 0; r < runs.size(); ++r) {
    if (seeds.insert(runs[r].settings.seed).second) of_starts.push_back(masks[r]);
  }
  const auto put_test = [&](const RunSimilarity& s) {
    const LayerStability all = s.mean_over_gates(random_key(key, hash_name("all")));
    f.facts["starts_within"] = all.within;
    f.facts["starts_difference"] = all.within - all.between;
    f.facts["p"] = s.p_value_of_classes(random_key(key, hash_name("p")), kPermutations);
  };
  f.facts["starts"] = static_cast<int64_t>(of_starts.size());
  f.facts["permutations"] = kPermutations;
  if (of_starts.size() == runs.size()) return put_test(similarity);
  if (of_starts.size() < 2) {
    f.facts["p"] = std::numeric_limits<double>::quiet_NaN();
    f.missing = "a run with another seed, for the test";
    return;
  }
  RunSimilarity starts(of_starts);
  for (int64_t g = 0; g < of_starts[0].gates(); ++g) starts.of_gate(g, 0);
  put_test(starts);
}

void add_means(Findings& f, const RunSimilarity& s, uint64_t key) {
  const LayerStability all = s.mean_over_gates(random_key(key, hash_name("all")));
  put(f, "mean_within", all.within, all.within_interval);
  put(f, "mean_between", all.between, all.between_interval);
  put(f, "mean_difference", all.within - all.between, all.difference_interval);
  f.facts["mean_chance"] = all.chance;
  f.facts["separation"] = all.separation();
}

Findings make(const Study& study) {
  const std::vector<int64_t> classes = finished_in_all(study.subject);
  const std::vector<Results>& runs = study.subject.runs;
  const auto n = static_cast<int64_t>(classes.size());
  Findings f;
  f.facts["runs"] = static_cast<int64_t>(runs.size());
  f.facts["classes"] = n;
  for (size_t r = 0; r < runs.size(); ++r) f.facts["run_" + std::to_string(r)] = run_text(runs[r].settings);
  if (n < 2) {
    f.missing = "two classes that all runs have finished";
    return f;
  }
  std::vector<MaskTable> masks;
  for (const Results& run : runs) masks.push_back(mask_table(run, classes));
  const uint64_t key = analysis_key(study.settings.seed, "stability");
  RunSimilarity similarity(masks);
  std::vector<int64_t> gate, says_nothing;
  std::vector<double> within, within_low, within_high, between, between_low, between_high, low, high, chance,
      separation;
  for (int64_t g = 0; g < masks[0].gates(); ++g) {
    study.progress(static_cast<double>(g) / static_cast<double>(masks[0].gates()));
    const LayerStability layer = similarity.of_gate(g, random_key(key, static_cast<uint64_t>(g)));
    gate.push_back(g);
    within.push_back(layer.within);
    within_low.push_back(layer.within_interval.low);
    within_high.push_back(layer.within_interval.high);
    between.push_back(layer.between);
    between_low.push_back(layer.between_interval.low);
    between_high.push_back(layer.between_interval.high);
    low.push_back(layer.difference_interval.low);
    high.push_back(layer.difference_interval.high);
    chance.push_back(layer.chance);
    separation.push_back(layer.separation());
    says_nothing.push_back(!(layer.difference_interval.low > 0));
  }
  f.table = {{"gate", gate},
             {"layer", runs[0].gate_names},
             {"within", within},
             {"within_low", within_low},
             {"within_high", within_high},
             {"between", between},
             {"between_low", between_low},
             {"between_high", between_high},
             {"difference_low", low},
             {"difference_high", high},
             {"chance", chance},
             {"separation", separation},
             {"says_nothing_of_classes", says_nothing}};
  add_means(f, similarity, key);
  add_test(f, runs, masks, key, similarity);
  const auto silent = static_cast<long long>(std::count(says_nothing.begin(), says_nothing.end(), 1));
  f.facts["layers_that_say_nothing"] = static_cast<int64_t>(silent);
  f.summary = text_of(
      "within a class %.4f, between classes %.4f, by chance %.4f, separation %.4f, p %.4f; %lld of %lld layers say "
      "nothing of classes (%lld runs, %lld classes)",
      f.number("mean_within"), f.number("mean_between"), f.number("mean_chance"), f.number("separation"),
      f.number("p"), silent, static_cast<long long>(gate.size()), static_cast<long long>(runs.size()),
      static_cast<long long>(n));
  return f;
}

}  // namespace

const Analysis kStability = {.name = "stability",
                             .about = "a class learnt again beside other classes, layer by layer (5a.5)",
                             .classes = 2,
                             .runs = 2,
                             .make = make};

}  // namespace nad
