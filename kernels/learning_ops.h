// The ops of gate learning: a table of their own beside the op table of engine/ops.h, with the same conventions. The
// engine runs any network of gated ops and knows none of these; what learns gates asks the backend for them.
//
// One batch holds N samples twice: as the original network
// has them, under a row of gates that is all ones, and gated.
#pragma once

#include <cstdint>

#include "engine/context.h"
#include "kernels/resize_filter.h"

namespace nad {

// ---- losses ------------------------------------------------------------------------------------------------------
// A step learns G classes side by side with B images each: N = G*B; sample n belongs to group n / B; the first
// valid[g] samples of a group count, the others have weight 0. `specific` shows a class images of other classes too:
// its groups have an even B, the first half holds the class's own images, of which the first valid[g] count, the second
// half those of other classes, of which the first others[g] count. The class c of such a group is labels[g * B].
struct Groups {
  int64_t count = 1;                // G
  int64_t batch = 1;                // B, samples of a group
  const int32_t* valid = nullptr;   // [G]
  const int32_t* others = nullptr;  // [G], or null: all images are the class's own

  constexpr int64_t own() const { return others ? batch / 2 : batch; }  // where the others begin
};

// Which samples the original network classifies correctly (first maximum = label), and K, over which the layers' terms
// of `released` and `specific` go (docs/METHOD.md section 2): of the samples that count, images of other classes left
// out, the correct ones or, without correct_only, all.
//   tap_weight[n] = 1 / |K| in K, else 0
//   apply[g] = K has a sample
struct ClassifyArgs {
  Groups groups;
  CTensor logits;                   // [N, 1, 1, K], the original network's
  const int32_t* labels = nullptr;  // [N]
  bool correct_only = true;
  int32_t* predicted = nullptr;      // [N]
  float* tap_weight = nullptr;       // [N]
  int32_t* correct_count = nullptr;  // [G]; -1 where the logits of a sample that counts are not all finite
  int32_t* apply = nullptr;          // [G]
  int32_t* apart_count = nullptr;    // [G], with others: those that count and are not predicted as c
};

// loss[g] = mean over the group's valid samples; dlogits = coefficient * d loss[g] / d logits.
//   cross-entropy: -log softmax(z)[label]
//   binary (Eq. 12): -log p[label] - sum_{k != label} log(1 - p[k]), arguments clamped from below to 1e-12
//     (the gradient is 0 where a clamp acts, as torch.clamp_min's)
struct SoftmaxLossArgs {
  Groups groups;
  CTensor logits;                   // [N, 1, 1, K], the gated network's
  const int32_t* labels = nullptr;  // [N]
  bool binary = false;
  float coefficient = 1;
  double* loss = nullptr;  // [G]
  Tensor dlogits;          // [N, 1, 1, K]
};

// What a network that knows its class from others is asked for (docs/METHOD.md section 2a).
//   named_class: not to answer c; over the others that the original network does not answer c either (apart_count)
//   all: to answer as the original does; over all others
enum class SpecificTarget : uint8_t { named_class, all };

// The data terms of `specific`, z the gated network's logits, o the original's, c the group's class:
//   cross_entropy[g] = mean over the valid own samples of -log softmax(z)[label]
//   specificity[g], 0 where the mean is over no sample:
//     named_class: mean over the others not predicted as c of logsumexp_k(z) - logsumexp_{k != c}(z) = -log(1 - p_c)
//       d/dz_c = p_c,  d/dz_k = -p_c softmax_{j != c}(z)_k
//     all: mean over the others of KL(t || softmax(z)), t = softmax(o) where the sample is predicted as c, else
//       softmax(o) over k != c, t_c = 0;  d/dz = softmax(z) - t
//   dlogits = d (cross_entropy[g] + hyper[g].lambda * specificity[g]) / d z
//   own_answered[g], others_answered[g] = valid own samples and others whose first maximum of z is c
struct SpecificLossArgs {
  Groups groups;                         // with others
  CTensor original, logits;              // [N, 1, 1, K], K at least 2
  const int32_t* labels = nullptr;       // [N], those of others unused
  const int32_t* predicted = nullptr;    // [N], ClassifyArgs
  const int32_t* apart_count = nullptr;  // [G], ClassifyArgs
  const float* hyper = nullptr;          // [G, 3]: lr, beta, lambda
  SpecificTarget target = SpecificTarget::named_class;
  double* cross_entropy = nullptr;     // [G]
  double* specificity = nullptr;       // [G]
  int32_t* own_answered = nullptr;     // [G]
  int32_t* others_answered = nullptr;  // [G]
  Tensor dlogits;                      // [N, 1, 1, K]
};

// ---- gate learning -----------------------------------------------------------------------------------------------
enum class Objective : uint8_t { released, paper, variational, specific };  // docs/METHOD.md sections 2 and 2a

// Whether the layers' terms come from the taps of the gated representations, not from statistics of the original's.
constexpr bool uses_taps(Objective o) { return o == Objective::released || o == Objective::specific; }

// What `specific` multiplies a closed channel by while it learns, in place of 0: y = 2^-60 r is exact, so the sum t*y/g
// that is every multiplier's gradient is the sum of t*r for closed gates too, without r being stored; and beside a
// channel that is open, 2^-60 r is below rounding. Evaluation closes with 0.
inline constexpr float kClosedGate = 0x1p-60f;

// The update of `specific`: Adam's decays and floor, and how far from 0 its logits may go. Beyond, sigmoid's slope is
// too small for a closed gate to come back.
inline constexpr double kAdamMeanDecay = 0.9, kAdamSquareDecay = 0.999, kAdamFloor = 1e-8;
inline constexpr double kLogitBound = 4;

// Fills the multipliers of one gate from its logits: row 0 ones; then
//   released, paper: row 1+g = sigmoid(logits[g])
//   specific: row 1+g = logits[g] > 0 ? 1 : kClosedGate
//   variational: row 1 + g*B + b = sigmoid(logits[g]) + noise[g*B + b] * softplus(sigma[g])
struct GateValuesArgs {
  Groups groups;
  Objective objective = Objective::released;
  int64_t channels = 0;
  const float* logits = nullptr;  // [G, C]
  const float* sigma = nullptr;   // [G, C], variational
  const float* noise = nullptr;   // [N, C], variational
  float* table = nullptr;         // [rows, C]
};

// noise[n, c] = random_normal(random_key(random_key(key[g], *step), gate_index), b*C + c), n = g*B + b (engine/rng.h)
struct GateNoiseArgs {
  Groups groups;
  int64_t channels = 0;
  uint64_t gate_index = 0;
  const uint64_t* key = nullptr;   // [G], one per class
  const uint64_t* step = nullptr;  // [G]
  float* noise = nullptr;          // [N, C]
};

// Per group and channel sums over valid samples and pixels of the original representation R (paper, variational):
//   sum_square = sum R^2; with sigma (softplus applied here): sum_log = sum log((sigma R)^2 + 1e-6),
//   sum_ratio = sum R^2 / ((sigma R)^2 + 1e-6)
struct GateStatisticsArgs {
  Groups groups;
  CTensor original;              // [N, H, W, C]
  const float* sigma = nullptr;  // [G, C] or null
  double* sum_square = nullptr;  // [G, C]
  double* sum_log = nullptr;     // [G, C], with sigma
  double* sum_ratio = nullptr;   // [G, C], with sigma
};

// One gate's terms of the objective, the gradient at its logits, and the normalised update (Eq. 15):
//   released, specific: reconstruction = sum_n tap_weight[n] tap_sum[n] / (H W C L)
//                regularisation = mean_c mu^2 / L
//   paper:       reconstruction = mean((R - mu R)^2)
//                regularisation = mean((mu R)^2)
//   variational: reconstruction = (mean((R - mu R)^2) + log 2 pi + mean log(.)) / 2
//                regularisation = mean((sigma R)^2 - log(.) + (mu R)^2 - 1) / 2,    log(.) = log((sigma R)^2 + 1e-6)
//   gradient = beta * d regularisation + (paper, variational: d reconstruction) + the chain's part, from dgate
//     (specific: the multiplier's derivative is taken as sigmoid'(m), straight through the step at 0)
//   where apply[g] and lr > 0: logits -= lr * gradient / max(norm2(gradient), 1e-12), and sigma the same
//   specific, there: t = ++adam_steps[g], mean = 0.9 mean + 0.1 gradient, square = 0.999 square + 0.001 gradient^2,
//     logits -= lr * (mean / (1 - 0.9^t)) / (sqrt(square / (1 - 0.999^t)) + 1e-8), then kept to +-kLogitBound
// Means are over the group's valid samples, pixels and channels; the sums are those of GateStatisticsArgs.
struct GateUpdateArgs {
  Groups groups;
  Objective objective = Objective::released;
  int64_t channels = 0, plane = 0;     // C, H*W
  int64_t gates = 1;                   // L
  const float* hyper = nullptr;        // [G, 3]: lr, beta, lambda
  const int32_t* apply = nullptr;      // [G]
  const float* tap_weight = nullptr;   // [N], released and specific
  const double* tap_sum = nullptr;     // [N], released and specific
  const double* sum_square = nullptr;  // [G, C], paper and variational
  const double* sum_log = nullptr;     // [G, C], variational
  const double* sum_ratio = nullptr;   // [G, C], variational
  const float* dgate = nullptr;        // [rows, C], gradient at the multipliers (row 0 unused)
  const float* noise = nullptr;        // [N, C], variational
  float* logits = nullptr;             // [G, C]
  float* sigma = nullptr;              // [G, C], variational
  float* gradient = nullptr;           // [G, C], at the logits
  double* terms = nullptr;             // [G, 2]: reconstruction, regularisation
  float* adam_mean = nullptr;          // [G, C], specific
  float* adam_square = nullptr;        // [G, C], specific
  uint64_t* adam_steps = nullptr;      // [G], specific
};

// The weights of `specific` follow what the class has come to (docs/METHOD.md section 2a). Of every group with apply[g],
// c its class, answers those of the gated network, P the limit:
//   alarms = (others answered c - others that the original answers c) / others, 0 where there are none
//   surplus = gain - demand:  gain = (own images answered c - own images that the original answers c) / valid,
//     demand = 0.3 of the share of own images that the original does not answer c, 0.075 at most
//   means  = 0.9 means + 0.1 (alarms, surplus)
//   lambda <- lambda * exp(0.5 (mean alarms - P)), kept in [1, 16]
//   beta   <- full_beta * (1 + mean surplus / 0.05, kept in [0, 1])
// The weights that the step had are put down in any case; with P = 0 nothing else happens.
struct OperatingPointArgs {
  Groups groups;                             // with others
  const int32_t* apply = nullptr;            // [G], ClassifyArgs
  const int32_t* correct_count = nullptr;    // [G], the same
  const int32_t* apart_count = nullptr;      // [G], the same
  const int32_t* own_answered = nullptr;     // [G], SpecificLossArgs
  const int32_t* others_answered = nullptr;  // [G], the same
  double max_false_alarms = 0;               // P, a share below 1
  const float* full_beta = nullptr;          // [G]
  float* hyper = nullptr;                    // [G, 3]: lr, beta, lambda; in: of this step, out: of the next
  double* means = nullptr;                   // [G, 2]: alarms, surplus
  double* weights = nullptr;                 // [G, 2]: beta, lambda of this step
};

inline constexpr double kMeanDecay = 0.9;                    // of the means over steps
inline constexpr double kLambdaRate = 0.5;                   // of dual ascent
inline constexpr double kMaxLambda = 16;                     // and at least 1
inline constexpr double kDemand = 0.3, kMostDemand = 0.075;  // of what the original gets wrong; at most
inline constexpr double kSlack = 0.05;                       // below the demand, where beta is 0

// ---- images ------------------------------------------------------------------------------------------------------
// What one input image is made of. In the backend's memory, so that it may change from step to step.
struct AugmentSample {
  const uint8_t* image = nullptr;                              // [height, width, 3]; null: the sample stays as it is
  int32_t width = 0, height = 0;                               // at most AugmentArgs::max_side
  int32_t left = 0, top = 0, crop_width = 0, crop_height = 0;  // inside the image
  int32_t flip = 0, unused = 0;
};

// y[n] = byte_values[c][resized], where `resized` is the crop of the sample's image, resized to S x S by the
// antialiased filter of kernels/resize_filter.h (columns, then rows, 8 bits in between; what lies outside of the crop
// does not count), mirrored where flip is set. RandomResizedCrop, RandomHorizontalFlip and Normalize of torchvision.
struct AugmentArgs {
  Tensor y;                                // [N, S, S, 3], dense
  const AugmentSample* samples = nullptr;  // [N]
  const float* byte_values = nullptr;      // [3, 256]: the normalised value of every byte, per channel
  int64_t max_side = 0;                    // of an image
  Interpolation interpolation = Interpolation::bilinear;
};

// ---- the table ---------------------------------------------------------------------------------------------------
struct LearningOps {
  Entry<ClassifyArgs> classify;
  Entry<SoftmaxLossArgs> softmax_loss;
  Entry<SpecificLossArgs> specific_loss;
  Entry<GateValuesArgs> gate_values;
  Entry<GateNoiseArgs> gate_noise;
  Entry<GateStatisticsArgs> gate_statistics;
  Entry<GateUpdateArgs> gate_update;
  Entry<OperatingPointArgs> operating_point;
  Entry<AugmentArgs> augment;
};

// What every backend of this project is beside an engine's backend.
class LearningBackend {
 public:
  virtual ~LearningBackend() = default;
  virtual const LearningOps& learning_ops() const = 0;
  // Whether images are augmented by the op `augment` of a step rather than by threads of the host ahead of it.
  virtual bool augments() const { return false; }
};

// Throws Error(device) for a backend that learns no gates.
const LearningBackend& learning_backend(const Backend& backend);

}  // namespace nad
