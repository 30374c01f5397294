// Gate learning (docs/METHOD.md sections 2 and 3): one step of several
// classes side by side, and the evaluation of hard gates.
//
// A learner has G slots; slot g learns one class from B images a step. One batch holds all G*B images twice: as the
// original network (gate row 0) and gated (a row per slot, or per sample where gates are noisy). A slot's numbers do
// not depend on what the other slots do: a class learns the same gates, byte for byte, alone or among others.
//
//   Learner learner(context, network, std::move(tensors), options);
//   learner.assign(0, initial_gates(channels, key), {}, key);
//   learner.set_batch(0, images, labels, valid, step);
//   learner.step();
//   StepLoss loss = learner.loss(0);
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "kernels/learning_ops.h"
#include "models/models.h"
#include "nad/gates/gate_vectors.h"

namespace nad {

struct LearnOptions {
  Objective objective = Objective::released;
  double beta = 0;
  double lr = 0.1;
  int64_t slots = 1;         // G, classes per step
  int64_t batch = 16;        // B, images per class and step
  bool given_noise = false;  // variational: noise comes from set_noise() instead of the generator
  bool fold_batchnorm = true;
  // [3, 256] of nad/images/augment.h: the step augments images
  // itself (set_batch with draws). Empty: batches are pixels only.
  std::vector<float> byte_values;
};

inline constexpr int64_t kMaxAugmentSide = 4096;  // pixels of an image that a step augments
inline constexpr int64_t kLossHistory = 64;       // steps whose losses a learner keeps on the device

struct StepLoss {
  double total = 0, first = 0, regular = 0, cross_entropy = 0;  // NaN where the step was skipped
  int correct = 0;       // samples that the original network classifies correctly
  bool skipped = false;  // `released` without a correct sample: no update
};

class Learner {
 public:
  // Throws what Plan and build_network throw.
  Learner(Context& context, const NetworkDescription& network, std::map<std::string, HostTensor> weights,
          const LearnOptions& options);

  const LearnOptions& options() const { return options_; }
  std::vector<int64_t> channels() const;  // of every gate
  std::vector<std::string> gate_names() const;
  int64_t input_size() const { return plan_->images().shape.h; }
  int64_t num_classes() const { return plan_->logits().shape.c; }
  Plan& plan() { return *plan_; }

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
  StepLoss loss(int64_t slot, int64_t back = 0);
  void wait() { context_.backend().synchronize(); }  // until all steps so far are done
  GateVectors logits(int64_t slot);                  // after the last step
  GateVectors sigma(int64_t slot);
  GateVectors gradient(int64_t slot);  // of the last step, at its logits before the update

  // ---- evaluation ----
  // Runs up to slots*batch images [count, S, S, 3] through the original network and through the sub-architecture
  // 1[sigmoid(logit) > 0.5]. Results [count, K]; null where not wanted. Leaves what is being learned as it is.
  void evaluate(const GateVectors& gates, const float* images, int64_t count, float* original, float* hard);
  int64_t capacity() const { return options_.slots * options_.batch; }

  // ---- account ----
  MemoryAccount account() const;
  int64_t largest_batch() const;  // an estimate from the account and the backend's free memory
  // Seconds per kernel of one step, for profiling: name, op, backward, seconds.
  struct Timing {
    std::string name, op;
    bool backward;
    double seconds;
  };
  std::vector<Timing> timed_step();

 private:
  struct GateState {
    int64_t channels = 0;
    float *logits = nullptr, *sigma = nullptr, *gradient = nullptr;          // [G, C]
    float* noise = nullptr;                                                  // [N, C], variational
    double *sum_square = nullptr, *sum_log = nullptr, *sum_ratio = nullptr;  // [G, C], not in `released`
    double* terms = nullptr;                                                 // [G, 2]
  };
  void record_step();
  void set_rows(int64_t evaluated_slot);
  void upload_samples(int64_t slot, std::span<const AugmentSample> samples);
  void set_labels(int64_t slot, const int32_t* labels, int64_t valid, uint64_t step);
  template <class Visit>
  void each_kernel(Visit&& visit);
  void fetch_losses();
  template <class T>
  T fetched(const T* device, int64_t back) const;

  Context& context_;
  LearnOptions options_;
  std::unique_ptr<Plan> plan_;
  Buffer state_;
  size_t state_bytes_ = 0;
  std::vector<GateState> gates_;
  int32_t *labels_ = nullptr, *valid_ = nullptr, *apply_ = nullptr, *correct_ = nullptr, *predicted_ = nullptr;
  uint64_t *keys_ = nullptr, *steps_ = nullptr;
  double* cross_entropy_ = nullptr;
  float* hyper_ = nullptr;
  AugmentSample* samples_ = nullptr;  // [N]
  float* byte_values_ = nullptr;      // [3, 256]
  std::vector<std::pair<std::string, Kernel>> before_, between_, after_;
  bool rows_for_learning_ = false;
  // A record holds what a step leaves from apply_ on: apply, correct, cross-entropy, terms. Record t % kLossHistory
  // is that of step t.
  size_t record_bytes_ = 0;
  std::byte* history_ = nullptr;   // [kLossHistory][record_bytes_]
  std::vector<std::byte> losses_;  // its copy on the host
  int64_t steps_done_ = 0, steps_fetched_ = 0;
};

}  // namespace nad
