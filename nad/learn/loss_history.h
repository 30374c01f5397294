// The losses of the last steps. A step leaves a record on the device; the history keeps copies there until one is
// asked for, so that only that waits for the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/context.h"
#include "nad/learn/learn_options.h"

namespace nad {

struct StepLoss {
  double total = 0;           // reconstruction + beta * regularisation
  double reconstruction = 0;  // all but the regularisation: `released` has cross-entropy / L in it,
                              // `specific` cross-entropy + lambda * specificity
  double regularisation = 0, cross_entropy = 0;  // all four: NaN where the step was skipped
  double specificity = 0;                        // `specific`, before lambda; NaN elsewhere and where skipped
  int correct = 0;                               // own samples that the original network classifies correctly
  int own_answered = 0, others_answered = 0;  // `specific`: own and others that the gated network takes for the class
  double beta = 0, lambda = 0;                // what the step weighed its terms by
  bool skipped = false;                       // K without a sample: no update
};

// What a slot's step weighs its terms by.
struct LossWeights {
  double beta = 0, lambda = 1;
};

// What one step leaves of its losses: pieces of a block, on the device or in its copy on the host.
struct LossRecord {
  int32_t* apply = nullptr;                                     // [G], ClassifyArgs
  int32_t* correct_count = nullptr;                             // [G]
  double* cross_entropy = nullptr;                              // [G]
  double* specificity = nullptr;                                // [G], SpecificLossArgs; `specific`
  int32_t *own_answered = nullptr, *others_answered = nullptr;  // [G], the same
  double* weights = nullptr;                                    // [G, 2], OperatingPointArgs; `specific`
  double* terms = nullptr;                                      // [gates, G, 2], GateUpdateArgs
  int64_t slots = 0;

  LossRecord(std::byte* block, int64_t slots, int64_t gates);
  static size_t bytes(int64_t slots, int64_t gates);
  double* terms_of(int64_t gate) const { return terms + gate * 2 * slots; }
};

class LossHistory {
 public:
  LossHistory(Backend& backend, int64_t slots, int64_t gates);

  const LossRecord& record() const { return record_; }  // on the device: where a step's kernels write
  // The step's record, behind those of the steps before. weights: [G], of the step.
  void keep(const std::vector<LossWeights>& weights);
  // The loss of the last step that was kept, or of the one `back` steps before, back < kLossHistory. Throws
  // Error(not_finite), std::logic_error for a step that is not there.
  StepLoss loss(int64_t slot, int64_t back, const LearnOptions& options);
  size_t bytes() const { return bytes_; }

 private:
  void fetch();  // all steps and slots in one transfer

  Backend& backend_;
  int64_t slots_, gates_;
  size_t record_bytes_, bytes_;
  Buffer memory_;  // the step's record, then those kept: step t at place t % kLossHistory
  LossRecord record_;
  std::vector<std::byte> host_;       // copy of those kept
  std::vector<LossWeights> weights_;  // [kLossHistory, G], of those kept
  int64_t kept_ = 0, fetched_ = 0;
};

}  // namespace nad
