// What a network answers under many masks to many images. Every sample of a pass goes under a row of its own, so that a
// pass is full whatever the numbers of masks and images are.
#pragma once

#include <functional>
#include <vector>

#include "nad/analyse/answers.h"
#include "nad/learn/gated_forward.h"

namespace nad {

class MaskAnswers {
 public:
  // samples: of one pass. Throws what GatedForward throws.
  MaskAnswers(Context& context, const Tape& network, int64_t samples);

  int64_t num_classes() const { return forward_.num_classes(); }
  std::vector<int64_t> channels() const { return forward_.channels(); }

  // The multipliers of a mask, [gates][C]; empty: the original network.
  using MaskOf = std::function<GateVectors(int64_t mask)>;
  // logits: [num_classes()], all finite.
  using Visit = std::function<void(int64_t mask, int64_t image, const float* logits)>;
  // Calls visit once for each mask 0, ..., masks - 1 and image, mask after mask. A mask is asked for once in every pass
  // that uses it. `between` is called before every pass with the share that is done and may throw to stop. Throws
  // Error(not_finite).
  void run(const LabelledPixels& images, int64_t masks, const MaskOf& mask_of, const Visit& visit,
           const std::function<void(double)>& between);

 private:
  GatedForward forward_;
};

// A mask that keeps as many channels of every gate as `like` does, drawn at random: gate g's by a Fisher-Yates shuffle
// with index_below(random_key(key, g), i, C - i), i = 0, 1, ... like: [gates][C], 0 or 1.
GateVectors random_mask(const GateVectors& like, uint64_t key);
// The key of draw `draw` for a class.
uint64_t random_mask_key(uint64_t seed, int64_t class_index, int64_t draw);

// 1 - mask. A gate of which the mask keeps every channel would leave nothing: it is kept whole, and counted.
GateVectors complement_mask(const GateVectors& mask, int64_t* kept_whole);

// The `keep[g]` channels of gate g with the largest scores, of equal ones the first.
GateVectors largest(const GateVectors& scores, const std::vector<int64_t>& keep);
// [gates], channels that a mask keeps.
std::vector<int64_t> kept_channels(const GateVectors& mask);

}  // namespace nad
