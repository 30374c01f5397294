// Why a network judges an image as it does (docs/METHOD.md, section 5.5; the paper's Fig. 5): what the original network
// predicts, and whether the classes it takes the image for have sub-architectures like that of the image's own class.
#pragma once

#include <cstdint>
#include <vector>

#include "nad/analyse/similarity.h"

namespace nad {

inline constexpr int64_t kTop = 3;  // predictions, and most similar sub-architectures, that are told

// The sub-architectures there are: a similarity matrix and the class of every row.
struct KnownSubArchitectures {
  std::vector<int64_t> classes;    // [n], growing
  std::vector<double> similarity;  // [n, n] (similarity.h)

  int64_t count() const { return static_cast<int64_t>(classes.size()); }
  int64_t find(int64_t class_index) const;  // its row, or -1
};

struct SimilarClass {
  int64_t class_index = 0;
  double similarity = 0;
};

struct Prediction {
  int64_t class_index = 0;
  double probability = 0;             // softmax of the original network
  bool has_sub_architecture = false;  // of that class
  std::vector<SimilarClass> similar;  // to it, the most similar first; at most kTop
};

enum class Verdict {
  right,            // the first prediction is the label
  unknown_label,    // what the image shows was not said
  no_comparison,    // the label or the answer has no sub-architecture, or there are no three to compare
  like_the_label,   // wrong, and the answer is among the kTop classes most similar to the label
  unlike_the_label  // wrong, and it is not
};

struct Explanation {
  std::vector<Prediction> predictions;  // the kTop largest logits, of equal ones the first
  int64_t label = -1;                   // -1: unknown
  std::vector<SimilarClass> similar_to_label;
  Verdict verdict = Verdict::unknown_label;
  // Where an answer was compared:
  double answer_similarity = 0;  // of the label's sub-architecture with the answer's
  double other_similarity = 0;   // mean over all other classes but the answer
  int64_t answer_rank = 0;       // 1: no class is more similar to the label
  double chance = 0;             // that a class drawn at random is among the kTop: kTop / (n - 1), at most 1
};

// logits: [classes] of the original network. label: -1 where it is not known. Throws Error(not_finite).
Explanation explain(const float* logits, int64_t classes, const KnownSubArchitectures& known, int64_t label);

}  // namespace nad
