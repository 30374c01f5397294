// Gate learning (docs/METHOD.md sections 2 and 3): one step of several classes side by side.
//
// A learner has G slots; slot g learns one class from B images a step. One batch holds all G*B images twice, as the
// original network and gated (nad/gates/batch_rows.h). A slot's numbers do not depend on what the other slots do: a
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
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "models/models.h"
#include "nad/gates/gate_vectors.h"
#include "nad/learn/gated_forward.h"
#include "nad/learn/learning_state.h"
#include "nad/learn/loss_history.h"
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
  // what the noise is drawn from.
  void assign(int64_t slot, const GateVectors& logits, const GateVectors& sigma, uint64_t key);
  void release(int64_t slot);  // the slot idles: it counts no samples and is not updated
  // images: [valid, S, S, 3], normalised; labels: [valid]; step: number of the step, for the noise.
  void set_batch(int64_t slot, const float* images, const int32_t* labels, int64_t valid, uint64_t step);
  // samples: [valid], images in the backend's memory, at most kMaxAugmentSide a side; they stay there until the step
  // is done. Needs LearnOptions::byte_values.
  void set_batch(int64_t slot, std::span<const AugmentSample> samples, const int32_t* labels, uint64_t step);
  void set_noise(int64_t slot, const GateVectors& noise);  // per gate [B, C]
  void set_beta(double beta);                              // of all slots, from the next step on
  void step();
  // Of the last step, or of the step `back` steps before it, back < kLossHistory; throws Error(not_finite). The
  // losses of the last steps stay on the device until one of them is asked for: only that waits for the device.
  StepLoss loss(int64_t slot, int64_t back = 0) {
    return history_.loss(slot, back, options_.objective, options_.beta);
  }
  void wait() { context_.backend().synchronize(); }  // until all steps so far are done
  GateVectors logits(int64_t slot);                  // after the last step
  GateVectors sigma(int64_t slot);
  GateVectors gradient(int64_t slot);  // of the last step, at its logits before the update

  // ---- evaluation ----
  // The network that is learned on, without learning: capacity() images, each as the original and under one more row
  // of gates. It works in the memory of a step: images of a batch that was set are lost, gates and losses stay.
  GatedForward& forward() { return forward_; }
  int64_t capacity() const { return options_.slots * options_.batch; }

  // ---- account ----
  MemoryAccount account() const;
  int64_t largest_batch() const;  // an estimate from the account and the backend's free memory
  using Timing = StepTiming;
  std::vector<Timing> timed_step() { return step_.run_timed(); }  // for profiling

 private:
  void upload_samples(int64_t slot, std::span<const AugmentSample> samples);
  void set_labels(int64_t slot, const int32_t* labels, int64_t valid, uint64_t step);
  GateVectors download(int64_t slot, float* LearningState::Gate::*which);

  Context& context_;
  LearnOptions options_;
  Plan plan_;
  GatedForward forward_;
  LearningState state_;
  LossHistory history_;
  RecordedStep step_;
};

}  // namespace nad
