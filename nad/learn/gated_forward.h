// The forward pass of a network under any gates, without a backward pass: the original (all ones), sub-architectures,
// their complements, random masks, the four of a composite, in one batch. A table holds `rows` rows of gates; every
// sample names the one that it goes under. Logits come back, and the representation at any gate.
//
//   GatedForward forward(context, network, {.images = 16, .copies = 2, .rows = 2});
//   forward.set_row(1, binary_mask(logits));           // row 0 stays the original
//   forward.use_rows(rows_of_copies(16, {{0, 1}}));    // copy 0 original, copy 1 under the mask
//   forward.run(images, count);
//   forward.logits(1, count, to);
//
// A sample's numbers do not depend on what the others are or how many there are (engine/ops.h). Weights that another
// plan of the context holds packed the same way are shared with it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/plan.h"
#include "nad/gates/gate_vectors.h"

namespace nad {

struct ForwardOptions {
  int64_t images = 16;           // N, of one pass
  int64_t copies = 1;            // R: each image goes on R times behind the first gate
  int64_t rows = 2;              // of the gate table, at least 1
  bool representations = false;  // keep what representation() returns; takes memory for all gates at once
};

class GatedForward {
 public:
  // network: of any batch size (models/models.h), it may be dropped afterwards. lender: a plan whose arena this one
  // uses too where that is large enough (PlanOptions::lender). Throws what Plan throws.
  GatedForward(Context& context, const Tape& network, const ForwardOptions& options, const Plan* lender = nullptr);

  const ForwardOptions& options() const { return options_; }
  int64_t samples() const { return options_.images * options_.copies; }
  int64_t input_size() const { return plan_.images().shape.h; }   // S
  int64_t num_classes() const { return plan_.logits().shape.c; }  // K
  std::vector<int64_t> channels() const;                          // of every gate
  const Plan& plan() const { return plan_; }

  // The multipliers of a row, [gates][C]: 1 keeps a channel, 0 removes it. At first all rows are ones. Throws
  // Error(data) where they do not fit the network, std::out_of_range for a row that the table does not have.
  void set_row(int64_t row, const GateVectors& multipliers);
  // row_of_sample: [samples()], sample copy * images + n; at first all 0. Throws std::out_of_range as set_row() does.
  void use_rows(std::span<const int32_t> row_of_sample);

  // images: [count, S, S, 3], normalised, count <= options().images. The results hold until the next run(), of this
  // object or of the lender.
  void run(const float* images, int64_t count);
  void logits(int64_t copy, int64_t count, float* to);  // [count, K]
  // The value at gate i, multiplied by it, of the first `count` images in one copy: [count, H, W, C].
  // PRECOND: options().representations.
  std::vector<float> representation(size_t gate, int64_t copy, int64_t count);

 private:
  Context& context_;
  ForwardOptions options_;
  Plan plan_;
};

// The original network beside one sub-architecture: images [count, S, S, 3] through copies 0 and 1. Results
// [count, K]; null where not wanted. PRECOND: two copies and two rows.
void run_beside_original(GatedForward& forward, const GateVectors& mask, const float* images, int64_t count,
                         float* original, float* gated);

}  // namespace nad
