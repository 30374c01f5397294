// Table 1: are the classes that the original network mistakes an image for those with similar sub-architectures?
// (docs/METHOD.md, sections 5.5 and 5a.7)
#include <algorithm>

#include "nad/analyse/analysis.h"
#include "nad/analyse/findings_text.h"
#include "nad/analyse/mistakes.h"

namespace nad {
namespace {

constexpr int64_t kMostImages = 400;  // of a class
constexpr int64_t kPermutations = 2000;

struct Counts {
  std::vector<int64_t> mistaken;       // [classes, classes]: images of the first that are answered as the second
  std::vector<int64_t> images, wrong;  // [classes], shown, answered as any other class of the network
};

Counts count_mistakes(const Study& study) {
  const Subject& s = study.subject;
  const int64_t n = s.count();
  Counts counts{std::vector<int64_t>(static_cast<size_t>(n * n), 0), std::vector<int64_t>(static_cast<size_t>(n), 0),
                std::vector<int64_t>(static_cast<size_t>(n), 0)};
  for (int64_t i = 0; i < n; ++i) {
    const LabelledPixels images = study.laboratory->images_of(s.classes[i], kMostImages);
    study.laboratory->network().run(
        images, 1, [](int64_t) { return GateVectors(); },
        [&](int64_t, int64_t, const float* logits) {
          const int64_t answer = answers(logits, 1, study.laboratory->num_classes())[0];
          counts.images[i]++;
          if (answer == s.classes[i]) return;
          counts.wrong[i]++;
          const auto at = std::lower_bound(s.classes.begin(), s.classes.end(), answer);
          if (at != s.classes.end() && *at == answer) counts.mistaken[i * n + (at - s.classes.begin())]++;
        },
        [&](double share) { study.progress((static_cast<double>(i) + share) / static_cast<double>(n)); });
  }
  return counts;
}

int64_t sum(const std::vector<int64_t>& values) {
  int64_t total = 0;
  for (const int64_t value : values) total += value;
  return total;
}

void add_table(Findings& f, const Subject& s, const Counts& counts, const Mistakes& m,
               const std::vector<double>& matrix) {
  const int64_t n = s.count();
  std::vector<int64_t> in_table, most_similar, most_mistaken;
  for (int64_t i = 0; i < n; ++i) {
    const auto row = counts.mistaken.begin() + i * n;
    const auto most = std::max_element(row, row + n);
    in_table.push_back(sum({row, row + n}));
    most_similar.push_back(s.classes[by_similarity(matrix, n, i)[0]]);
    most_mistaken.push_back(*most > 0 ? s.classes[most - row] : -1);
  }
  f.table = class_columns(s, s.classes);
  f.table.insert(f.table.end(), {{"images", counts.images},
                                 {"mistakes", counts.wrong},
                                 {"mistakes_in_table", in_table},
                                 {"mis", m.mis},
                                 {"oth", m.oth},
                                 {"most_similar", most_similar},
                                 {"most_mistaken_for", most_mistaken}});
}

Findings make(const Study& study) {
  const Subject& s = study.subject;
  const int64_t n = s.count();
  const Counts counts = count_mistakes(study);
  const std::vector<double> matrix = similarity(mask_table(s.results(), s.classes)).matrix;
  const uint64_t key = analysis_key(study.settings.seed, "table1_mistakes");
  const Mistakes m = explain_mistakes(counts.mistaken, matrix, n, key);
  Findings f;
  add_table(f, s, counts, m, matrix);
  f.arrays["mistaken"] = {{n, n}, {counts.mistaken.begin(), counts.mistaken.end()}};
  f.arrays["classes"] = {{n}, {s.classes.begin(), s.classes.end()}};
  f.facts["classes"] = n;
  f.facts["classes_with_both"] = m.classes;
  f.facts["images"] = sum(counts.images);
  f.facts["mistakes"] = sum(counts.wrong);
  f.facts["mistakes_in_table"] = sum(counts.mistaken);
  f.facts["images_per_class_at_most"] = kMostImages;
  f.facts["mean_mis"] = m.mean_mis;
  f.facts["mean_oth"] = m.mean_oth;
  put(f, "difference", m.difference, m.interval);
  f.facts["permutations"] = kPermutations;
  f.facts["p"] = mistakes_p_value(counts.mistaken, matrix, n, random_key(key, hash_name("p")), kPermutations);
  for (const int64_t k : {1, 3, 5}) {
    if (k >= n) continue;
    const AmongMostSimilar among = among_most_similar(counts.mistaken, matrix, n, k);
    f.facts["top" + std::to_string(k) + "_share"] = among.share;
    f.facts["top" + std::to_string(k) + "_chance"] = among.chance;
  }
  f.summary = text_of(
      "Mis %.4f, Oth %.4f, difference %.4f [%.4f, %.4f], p %.4f (%lld mistakes among %lld classes, %lld images)",
      m.mean_mis, m.mean_oth, m.difference, m.interval.low, m.interval.high, f.number("p"),
      static_cast<long long>(sum(counts.mistaken)), static_cast<long long>(n),
      static_cast<long long>(sum(counts.images)));
  if (m.classes == 0) f.missing = "a class that is mistaken for some classes of the table and not for others";
  return f;
}

}  // namespace

const Analysis kTable1Mistakes = {.name = "table1_mistakes",
                                  .about = "similarity with the classes that images are mistaken for (Table 1)",
                                  .network = true,
                                  .classes = 3,
                                  .make = make};

}  // namespace nad
