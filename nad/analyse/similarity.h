// How alike two sub-architectures are: the Jaccard similarity |a & b| / |a | b| of their binary masks, layer by layer
// (docs/METHOD.md, sections 5.2 and 5a.5; the paper's Fig. 4, row 1). A layer is a gate.
#pragma once

#include <cstdint>
#include <vector>

#include "nad/gates/gate_vectors.h"

namespace nad {

// The masks of some classes as bits: 1,000 classes of ResNet50's 15,168 channels are 1.9 MB.
class MaskTable {
 public:
  // channels: [gates]; every mask starts empty.
  MaskTable(const std::vector<int64_t>& channels, int64_t classes);

  // logits: [gates][C] of class `item`. Throws std::invalid_argument where the sizes do not fit.
  void set(int64_t item, const GateVectors& logits);

  int64_t classes() const { return classes_; }
  int64_t gates() const { return static_cast<int64_t>(channels_.size()); }
  int64_t channels(int64_t gate) const { return channels_[gate]; }
  int64_t kept(int64_t item, int64_t gate) const { return kept_[item * gates() + gate]; }  // channels
  // Two empty sets: 1.
  double jaccard(int64_t a, int64_t b, int64_t gate) const;
  // The mean over all gates, each counting once.
  double jaccard(int64_t a, int64_t b) const;

 private:
  friend double jaccard(const MaskTable& a, int64_t item_a, const MaskTable& b, int64_t item_b, int64_t gate);
  const uint64_t* bits(int64_t item, int64_t gate) const { return words_.data() + item * width_ + first_[gate]; }

  int64_t classes_, width_;        // words of a class
  std::vector<int64_t> channels_;  // [gates]
  std::vector<int64_t> first_;     // [gates + 1], first word of a gate
  std::vector<uint64_t> words_;    // [classes, width]
  std::vector<int64_t> kept_;      // [classes, gates]
};

// Of items of two tables of the same gates.
double jaccard(const MaskTable& a, int64_t item_a, const MaskTable& b, int64_t item_b, int64_t gate);

// The expected Jaccard similarity of two sets of a and b channels drawn at random from C: the hypergeometric mean
// sum over k of P(|a & b| = k) k / (a + b - k). Two empty sets: 1.
double expected_jaccard(int64_t a, int64_t b, int64_t channels);

// Its mean over the pairs of classes of a table; NaN with less than two.
double mean_chance(const MaskTable& masks, int64_t gate);

struct Similarity {
  std::vector<double> layers;  // [gates], mean over all pairs of classes; NaN with less than two classes
  std::vector<double> chance;  // [gates], the same of sets of the same sizes drawn at random
  std::vector<double> matrix;  // [classes, classes], mean over the gates; 1 on the diagonal
};

Similarity similarity(const MaskTable& masks);

}  // namespace nad
