#include "nad/learn/loss_history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "engine/error.h"
#include "nad/learn/carver.h"

namespace nad {
namespace {

constexpr const char* kHint = "check that mean and std of the weights file fit the network";

size_t carve(Carver carver, LossRecord* record, int64_t slots, int64_t gates) {
  int32_t* counts = nullptr;
  double* sums = nullptr;
  carver.take(record ? record->apply : counts, slots);
  carver.take(record ? record->correct_count : counts, slots);
  carver.take(record ? record->cross_entropy : sums, slots);
  carver.take(record ? record->specificity : sums, slots);
  carver.take(record ? record->own_answered : counts, slots);
  carver.take(record ? record->others_answered : counts, slots);
  carver.take(record ? record->weights : sums, 2 * slots);
  carver.take(record ? record->terms : sums, gates * 2 * slots);
  return carver.used();
}

}  // namespace

LossRecord::LossRecord(std::byte* block, int64_t slot_count, int64_t gates) : slots(slot_count) {
  carve(Carver(block), this, slot_count, gates);
}

size_t LossRecord::bytes(int64_t slots, int64_t gates) { return carve(Carver(nullptr), nullptr, slots, gates); }

LossHistory::LossHistory(Backend& backend, int64_t slots, int64_t gates)
    : backend_(backend),
      slots_(slots),
      gates_(gates),
      record_bytes_(LossRecord::bytes(slots, gates)),
      bytes_((1 + kLossHistory) * record_bytes_),
      memory_(backend.allocate(bytes_)),
      record_(memory_.get(), slots, gates),
      host_(kLossHistory * record_bytes_),
      weights_(static_cast<size_t>(kLossHistory * slots)) {}

void LossHistory::keep(const std::vector<LossWeights>& weights) {
  const auto place = static_cast<size_t>(kept_++ % kLossHistory);
  std::copy(weights.begin(), weights.end(), weights_.begin() + static_cast<int64_t>(place) * slots_);
  backend_.copy(memory_.get() + (1 + place) * record_bytes_, memory_.get(), record_bytes_);
}

void LossHistory::fetch() {
  if (fetched_ == kept_) return;
  backend_.download(host_.data(), memory_.get() + record_bytes_, host_.size());
  fetched_ = kept_;
}

StepLoss LossHistory::loss(int64_t slot, int64_t back, const LearnOptions& options) {
  if (back < 0 || back >= std::min(kept_, kLossHistory)) {
    throw std::logic_error("Learner::loss of " + std::to_string(back) + " steps ago");
  }
  fetch();
  const auto place = static_cast<size_t>((kept_ - 1 - back) % kLossHistory);
  const LossRecord record(host_.data() + place * record_bytes_, slots_, gates_);
  LossWeights weights = weights_[place * static_cast<size_t>(slots_) + static_cast<size_t>(slot)];
  const bool specific = options.objective == Objective::specific;

  StepLoss loss;
  loss.specificity = std::numeric_limits<double>::quiet_NaN();
  if (specific) {
    loss.own_answered = record.own_answered[slot];
    loss.others_answered = record.others_answered[slot];
    if (options.follows_limit()) weights = {record.weights[2 * slot], record.weights[2 * slot + 1]};
  }
  loss.beta = weights.beta, loss.lambda = weights.lambda;
  loss.correct = record.correct_count[slot];
  if (loss.correct < 0) throw Error(ErrorKind::not_finite, "the original network's logits are not finite", kHint);
  loss.skipped = record.apply[slot] == 0;
  if (loss.skipped) {
    loss.total = loss.reconstruction = loss.regularisation = loss.cross_entropy =
        std::numeric_limits<double>::quiet_NaN();
    return loss;
  }
  loss.cross_entropy = record.cross_entropy[slot];
  loss.reconstruction = options.objective == Objective::released ? loss.cross_entropy / static_cast<double>(gates_)
                                                                 : loss.cross_entropy;
  if (specific) {
    loss.specificity = record.specificity[slot];
    loss.reconstruction += weights.lambda * loss.specificity;
  }
  for (int64_t gate = 0; gate < gates_; ++gate) {
    loss.reconstruction += record.terms_of(gate)[2 * slot];
    loss.regularisation += record.terms_of(gate)[2 * slot + 1];
  }
  loss.total = loss.reconstruction + weights.beta * loss.regularisation;
  if (!std::isfinite(loss.total)) {
    throw Error(ErrorKind::not_finite,
                "loss is not finite (cross-entropy " + std::to_string(loss.cross_entropy) + ", reconstruction " +
                    std::to_string(loss.reconstruction) + ", regularisation " + std::to_string(loss.regularisation) +
                    ")",
                kHint);
  }
  return loss;
}

}  // namespace nad
