// Gate learning (docs/METHOD.md sections 2 and 3): one step of several classes side by side.
//
// A learner has G slots; slot g learns one class from B images a step, and under `specific` from B images of other
// classes too. One batch holds all images twice, as the original network and gated (nad/gates/batch_rows.h), a slot's
// own in front of those of other classes. A slot's numbers do not depend on what the other slots do: a
// class learns the same gates, byte for byte, alone or among others.
//
//   Learner learner(context, network, std::move(tensors), options);
//   learner.assign(0, initial_gates(channels, key), {}, key);
//   learner.set_batch(0, images, labels, valid, step);
//   learner.step();
//   StepLoss loss = learner.loss(0);
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "models/models.h"
#include "nad/gates/adam.h"
#include "nad/gates/gate_vectors.h"
#include "nad/learn/gated_forward.h"
#include "nad/learn/learning_state.h"
#include "nad/learn/loss_history.h"
#include "nad/learn/pace.h"
#include "nad/learn/recorded_step.h"

namespace nad {

class Learner {
 public:
  // Throws what Plan and build_network throw.
  Learner(Context& context, const NetworkDescription& network, std::map<std::string, HostTensor> weights,
          const LearnOptions& options);
  // network: of any batch size; shared with whoever else plans it, it may be dropped afterwards.
  Learner(Context& context, const Tape& network, const LearnOptions& options);
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  const LearnOptions& options() const { return options_; }
  std::vector<int64_t> channels() const;  // of every gate
  int64_t input_size() const { return plan_.images().shape.h; }
  int64_t num_classes() const { return plan_.logits().shape.c; }

  // ---- learning ----
  // Starts or resumes a class in a slot. sigma: the logits of the noise (variational; empty = -2 everywhere). key:
  // what the noise is drawn from. moments: of the steps before (specific). Throws Error(data) where they do not fit.
  void assign(int64_t slot, const GateVectors& logits, const GateVectors& sigma, uint64_t key,
              const Moments& moments = {});
  void release(int64_t slot);  // the slot idles: it counts no samples and is not updated
  // images: [valid, S, S, 3], normalised; labels: [valid]; step: number of the step, for the noise.
  void set_batch(int64_t slot, const float* images, const int32_t* labels, int64_t valid, uint64_t step);
  // samples: [valid], images in the backend's memory, at most kMaxAugmentSide a side; they stay there until the step
  // is done. Needs LearnOptions::byte_values.
  void set_batch(int64_t slot, std::span<const AugmentSample> samples, const int32_t* labels, uint64_t step);
  // Images of other classes for the steps from the next on (specific), as set_batch() takes them, count <= B. It asks
  // for no labels: what the original network says of them is compared with the class of the batch.
  void set_others(int64_t slot, const float* images, int64_t count);
  void set_others(int64_t slot, std::span<const AugmentSample> samples);
  void set_noise(int64_t slot, const GateVectors& noise);  // per gate [B, C]
  // The weights of the objective's terms, from the next step on: of all slots, or of one.
  void set_beta(double beta);
  void set_beta(int64_t slot, double beta);
  void set_lambda(int64_t slot, double lambda);
  // Where the weights follow a limit, from the next step on: nad/learn/pace.h of step `step` of `steps`.
  void set_pace(int64_t slot, int64_t step, int64_t steps);
  void step();
  // Of the last step, or of the step `back` steps before it, back < kLossHistory; throws Error(not_finite). The
  // losses of the last steps stay on the device until one of them is asked for: only that waits for the device.
  StepLoss loss(int64_t slot, int64_t back = 0) { return history_.loss(slot, back, options_); }
  void wait() { context_.backend().synchronize(); }  // until all steps so far are done
  GateVectors logits(int64_t slot);                  // after the last step
  GateVectors sigma(int64_t slot);
  Moments moments(int64_t slot);       // after the last step; specific
  GateVectors gradient(int64_t slot);  // of the last step, at its logits before the update

  // ---- evaluation ----
  // The network that is learned on, without learning: capacity() images, each as the original and under one more row
  // of gates. It works in the memory of a step: images of a batch that was set are lost, gates and losses stay.
  GatedForward& forward() { return forward_; }
  int64_t capacity() const { return options_.rows().images(); }

  // ---- account ----
  MemoryAccount account() const;
  int64_t largest_batch() const;  // an estimate from the account and the backend's free memory
  using Timing = StepTiming;
  std::vector<Timing> timed_step() { return step_.run_timed(); }  // for profiling

 private:
  // Where a slot's own images begin in the batch, and those of other classes.
  int64_t first(int64_t slot) const { return slot * options_.rows().images_a_class; }
  int64_t first_other(int64_t slot) const;
  void upload_samples(int64_t first, std::span<const AugmentSample> samples);  // options_.batch from `first` on
  void set_other_count(int64_t slot, int64_t count);
  void upload_weight(int64_t slot, int64_t which, double value);  // of LearningState::hyper
  void assign_moments(int64_t slot, const Moments& moments);
  void assign_point(int64_t slot, const std::optional<OperatingPoint>& point);
  void upload_pace(int64_t slot, const Pace& pace);
  void set_labels(int64_t slot, const int32_t* labels, int64_t valid, uint64_t step);
  GateVectors download(int64_t slot, float* LearningState::Gate::*which);

  Context& context_;
  LearnOptions options_;
  Plan plan_;
  GatedForward forward_;
  LearningState state_;
  LossHistory history_;
  std::vector<LossWeights> weights_;  // [G], of the next step; where they follow a limit the step says them itself
  std::vector<Pace> paces_;           // [G], on the device
  RecordedStep step_;
};

}  // namespace nad
