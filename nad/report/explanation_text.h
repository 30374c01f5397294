// An explanation in words and as JSON.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "nad/analyse/explanation.h"
#include "nad/store/results.h"

namespace nad {

// How classes are called, and what is known of their sub-architectures.
class ClassNames {
 public:
  // ids, names: of the weights file, in class order, or empty. The results must outlive the object.
  ClassNames(std::vector<std::string> ids, std::vector<std::string> names, const Results& results)
      : ids_(std::move(ids)), names_(std::move(names)), results_(results) {}

  std::string label(int64_t class_index) const;  // "217 n02102040 English springer", as far as it is known
  std::string brief(int64_t class_index) const;  // its name, else its id, else its index
  // The class of this id, name or index. -1: none.
  int64_t find(const std::string& text, int64_t classes) const;
  bool constant_answer(int64_t class_index) const;  // of its sub-architecture, as far as it was measured
  const Results& results() const { return results_; }

 private:
  const ClassResult* result(int64_t class_index) const;

  std::vector<std::string> ids_, names_;
  const Results& results_;
};

// An image and what was found out about it.
struct ExplainedImage {
  std::string name, picture;  // picture: path of its feature maps, or empty
  Explanation explanation;
};

// The verdict in a sentence, with the numbers behind it.
std::string verdict_text(const Explanation& explanation, const ClassNames& names);

// What a reader must know first: that a sub-architecture which is looked at is a constant answer. Empty where none is.
std::string constant_answer_text(const Explanation& explanation, const ClassNames& names);

void write_explanation(const ExplainedImage& image, const ClassNames& names, std::ostream& out);
void write_explanations_json(const std::vector<ExplainedImage>& images, const ClassNames& names, std::ostream& out);

}  // namespace nad
