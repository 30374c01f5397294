// The op table: the contract between the engine and a backend.
//
// Planning calls an entry once with every shape, parameter and address; the entry checks that it supports them,
// packs weights, reserves scratch, and returns the kernel that replay calls. A kernel allocates nothing and takes no
// arguments, so a replayed step is a list of calls (and, on a GPU, a captured graph).
//
// Conventions
// - Activations are NHWC float32 views (engine/tensor.h). Outputs never overlap inputs unless an entry says so.
// - Parameters (Param) are host tensors in the layout of the weights file; a backend copies what it needs.
// - Pointers named like `float* correct` are memory of the backend, sized as the comment says.
// - "(+)=": overwrite or accumulate, as the entry's Accumulate argument says.
// - Every output element is computed from its own inputs in an order that does not depend on N, on the position in
//   the batch or on the number of threads: a sample gives the same bytes alone or among others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/tensor.h"

namespace nad {

class Context;  // engine/context.h
class Planner;  // engine/context.h

using Param = std::shared_ptr<const HostTensor>;
using Kernel = std::function<void(Context&)>;

enum class Accumulate : uint8_t { overwrite, add };

// ---- gates -------------------------------------------------------------------------------------------------------
// The multiplier of sample n, channel c is table[row[n] * stride + c]. Row 0 of a table is all ones (the original
// network). Like a tensor's channels, those of a gate may be a slice of a wider table: stride > C.
// PRECOND: samples of one row are adjacent (row[] never returns to an earlier value).
struct GateRef {
  const float* table = nullptr;  // [rows, C]
  const int32_t* row = nullptr;  // [N], one per sample of the view it is used with
  int64_t rows = 0;
  int64_t stride = 0;  // floats from one row to the next
  explicit operator bool() const { return table != nullptr; }
};

// ---- what a producing op does to its result before storing it ----------------------------------------------------
// z = scale * acc + shift + residual;   y = gate * (relu ? max(z, 0) : z)
struct Epilogue {
  Param scale;       // [C] or null (1): an unfolded BatchNorm in evaluation mode
  Param shift;       // [C] or null (0): a bias or a BatchNorm's shift
  CTensor residual;  // shape of y, or empty
  bool relu = false;
  GateRef gate;  // or empty
};

// The same for the input of a convolution: x' = relu(scale * x + shift). Zero padding pads x', not x.
struct Prologue {
  bool relu = false;
  Param scale;  // [C_in] or null
  Param shift;  // [C_in] or null
  explicit operator bool() const { return relu || scale || shift; }
};

// ---- convolution -------------------------------------------------------------------------------------------------
// Output pixel (oh, ow) reads input pixel (oh*stride_h - pad_h + kh*dilation_h + offset_h, same for w); outside: 0.
// offset > 0 is DARTS' factorized reduce, which convolves x[:, :, 1:, 1:].
struct Conv2dParams {
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  int64_t offset_h = 0, offset_w = 0;
  bool operator==(const Conv2dParams&) const = default;
};

// torch.nn.Conv2d's output extent, with the input shortened by the offset; 0 where the window is larger than that.
inline int64_t conv_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation,
                           int64_t offset) {
  const int64_t room = in - offset + 2 * pad - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

// tap_sum, where the backend fills it (OpTable::conv2d_sums_taps): the value of the loss tap on y, whose first N/2
// samples are the originals of the others:
//   tap_sum[n] = sum over pixels and channels of (y[N/2 + n] - y[n])^2
struct Conv2dArgs {
  Conv2dParams params;
  CTensor x;                  // [N, H, W, I]
  Param weight;               // [O, I/groups, KH, KW]
  Prologue prologue;          // on I channels
  Epilogue epilogue;          // on O channels
  Tensor y;                   // [N, OH, OW, O]
  double* tap_sum = nullptr;  // [N/2] or null
};

// dx (+)= prologue'(x) * conv2d_transposed(scale * dz): dz is the gradient at the epilogue's z (epilogue_backward).
struct Conv2dBackwardArgs {
  Conv2dParams params;
  CTensor dz;    // [N, OH, OW, O]
  Param weight;  // [O, I/groups, KH, KW]
  Param scale;   // [O], the epilogue's, or null
  Prologue prologue;
  CTensor x;  // [N, H, W, I], read only with a prologue
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, I]
};

// ---- linear ------------------------------------------------------------------------------------------------------
// y = epilogue(x W^T), x flattened as [N, H*W*C] in NHWC order, which is also the order of W's columns.
struct LinearArgs {
  CTensor x;     // [N, H, W, C], dense
  Param weight;  // [O, H*W*C]
  Epilogue epilogue;
  Tensor y;  // [N, 1, 1, O], dense
};
struct LinearBackwardArgs {
  CTensor dz;    // [N, 1, 1, O]
  Param weight;  // [O, H*W*C]; PRECOND: no epilogue scale
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, C], dense
};

// ---- elementwise -------------------------------------------------------------------------------------------------
// y = epilogue(x): BatchNorm in evaluation mode, ReLU, addition (residual), a copy into a slab, a gate.
struct PointwiseArgs {
  CTensor x;  // [N, H, W, C]
  Epilogue epilogue;
  Tensor y;  // [N, H, W, C]
};
// dx (+)= scale * dz. dx may be dz itself (overwrite).
struct PointwiseBackwardArgs {
  CTensor dz;   // [N, H, W, C]
  Param scale;  // [C] or null
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, C]
};

// A gate on its own: y[r*N + n] = g * x[n], then max(., 0) where relu is set (DARTS gate 0), for r < repeat.
// repeat > 1 is where one batch of images becomes original and gated samples.
struct GateArgs {
  CTensor x;     // [N, H, W, C]
  GateRef gate;  // row: [repeat * N]
  bool relu = false;
  int64_t repeat = 1;
  Tensor y;  // [repeat * N, H, W, C]
};

// From the gradient at a gated, rectified output y back to the gradient at z (see Epilogue), with the loss tap on y:
//   t  = dy + 2 * tap_scale * tap_weight[n] * (y - original)
//   dz = gate * t * (relu ? y != 0 : 1)          (the sign of y is z's times the gate's; y = 0 iff z <= 0)
//   dgate[row, c] = sum over the row's samples and pixels of t * y / gate      (0 where gate = 0)
//   tap_sum[n] = sum over pixels and channels of (y - original)^2
// y / gate is the value before the gate: nothing but y is kept. The same formulas serve GateArgs' relu after the
// gate.
struct EpilogueBackwardArgs {
  CTensor dy;  // [N, H, W, C]
  CTensor y;   // [N, H, W, C]
  bool relu = false;
  GateRef gate;                       // or empty
  CTensor original;                   // [N, H, W, C] or empty: no tap
  const float* tap_weight = nullptr;  // [N]
  float tap_scale = 0;
  double* tap_sum = nullptr;  // [N], with a tap; null where the op that made y has summed it (Conv2dArgs)
  float* dgate = nullptr;     // [gate.rows, C], rows gate.stride apart; only rows that occur in row[] are written
  Tensor dz;                  // [N, H, W, C], may be dy itself; empty where nothing below needs a gradient
};

// ---- pooling -----------------------------------------------------------------------------------------------------
struct PoolParams {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  bool count_include_pad = true;  // average pooling only
};
struct MaxPoolArgs {
  PoolParams params;
  CTensor x;                  // [N, H, W, C]
  Epilogue epilogue;          // relu and gate only: max(relu(x)) = relu(max(x))
  Tensor y;                   // [N, OH, OW, C]
  uint8_t* argmax = nullptr;  // [N, OH, OW, C] dense: kh*KW + kw of the first maximum; null in evaluation
};
struct MaxPoolBackwardArgs {
  PoolParams params;
  CTensor dz;  // [N, OH, OW, C]
  const uint8_t* argmax = nullptr;
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, C]
};
struct AvgPoolArgs {
  PoolParams params;
  CTensor x;          // [N, H, W, C]
  Epilogue epilogue;  // relu and gate only
  Tensor y;           // [N, OH, OW, C]
};
struct AvgPoolBackwardArgs {
  PoolParams params;
  CTensor dz;  // [N, OH, OW, C]
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, C]
};
// torch.nn.AdaptiveAvgPool2d: output (oh, ow) averages rows floor(oh*H/OH) .. ceil((oh+1)*H/OH) - 1; 1x1 is global.
struct AdaptivePoolArgs {
  CTensor x;          // [N, H, W, C]
  Epilogue epilogue;  // relu and gate only
  Tensor y;           // [N, OH, OW, C]
};
struct AdaptivePoolBackwardArgs {
  CTensor dz;  // [N, OH, OW, C]
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, C]
};

// ---- convolution and max-pool in one ------------------------------------------------------------------------------
// For a backend that need not write the wide map between the two (VGG's stages end so):
//   z = scale * acc + shift;  y = gate * (relu)(max over the window of z)
// Optional, and OpTable::fuses_max_pool says for what; planning composes the rest of conv2d and max_pool.
struct Conv2dMaxPoolArgs {
  Conv2dParams params;
  PoolParams pool;
  CTensor x;                  // [N, H, W, I]
  Param weight;               // [O, I/groups, KH, KW]
  Epilogue epilogue;          // on O channels; no residual
  Tensor y;                   // [N, PH, PW, O]
  uint8_t* argmax = nullptr;  // [N, PH, PW, O] dense, as MaxPoolArgs'; null in evaluation
};
// dx (+)= conv2d_transposed(scale * dz at the window's maximum, 0 elsewhere)
struct Conv2dMaxPoolBackwardArgs {
  Conv2dParams params;
  PoolParams pool;
  CTensor dz;  // [N, PH, PW, O]
  const uint8_t* argmax = nullptr;
  Param weight;  // [O, I/groups, KH, KW]
  Param scale;   // [O], the epilogue's, or null
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;  // [N, H, W, I]
};
// The wide map's shape.
inline Shape conv_output(const Conv2dParams& p, const Shape& x, int64_t channels) {
  return {x.n, conv_extent(x.h, p.kernel_h, p.stride_h, p.pad_h, p.dilation_h, p.offset_h),
          conv_extent(x.w, p.kernel_w, p.stride_w, p.pad_w, p.dilation_w, p.offset_w), channels};
}
inline Shape pool_output(const PoolParams& p, const Shape& x) {
  return {x.n, conv_extent(x.h, p.kernel_h, p.stride_h, p.pad_h, 1, 0),
          conv_extent(x.w, p.kernel_w, p.stride_w, p.pad_w, 1, 0), x.c};
}

// ---- BatchNorm while a network is trained ------------------------------------------------------------------------
// With the batch's own statistics: all results depend on the whole batch, in a fixed order of additions. (In
// evaluation BatchNorm is an affine map: Epilogue and Prologue. Learning gates never trains a network.)
//
// mean[c], variance[c] (biased) over N, H, W;  rstd = 1 / sqrt(variance + epsilon);
// y = (relu)(gamma * (x - mean) * rstd + beta)
// running_mean = (1 - momentum) * running_mean + momentum * mean; running_variance alike with the unbiased variance
// (torch.nn.BatchNorm2d in training mode).
struct BatchNormArgs {
  CTensor x;                     // [N, H, W, C]
  const float* gamma = nullptr;  // [C]
  const float* beta = nullptr;   // [C]
  float epsilon = 1e-5f;
  float momentum = 0.1f;
  bool relu = false;
  float* mean = nullptr;              // [C], kept for the backward pass
  float* rstd = nullptr;              // [C], the same
  float* running_mean = nullptr;      // [C] or null
  float* running_variance = nullptr;  // [C] or null
  Tensor y;                           // [N, H, W, C], may be x itself
};

// With t = dy where y did not end in a ReLU at 0, else 0, and xhat = (x - mean) * rstd:
//   dbeta = sum t, dgamma = sum t * xhat                              over N, H, W
//   dx (+)= gamma * rstd * (t - dbeta / M - xhat * dgamma / M),       M = N * H * W
struct BatchNormBackwardArgs {
  CTensor dy;                    // [N, H, W, C]
  CTensor x;                     // [N, H, W, C], the forward op's
  CTensor y;                     // [N, H, W, C] with a ReLU, else empty
  const float* gamma = nullptr;  // [C]
  const float* mean = nullptr;   // [C]
  const float* rstd = nullptr;   // [C]
  Accumulate mode = Accumulate::overwrite;
  Tensor dx;                // [N, H, W, C]
  float* dgamma = nullptr;  // [C]
  float* dbeta = nullptr;   // [C]
};

// ---- losses ------------------------------------------------------------------------------------------------------
// A step learns G classes side by side with B images each: N = G*B; sample n belongs to group n / B; the first
// valid[g] samples of a group count, the others have weight 0.
struct Groups {
  int64_t count = 1;               // G
  int64_t batch = 1;               // B
  const int32_t* valid = nullptr;  // [G]
};

// Which samples the original network classifies correctly (first maximum = label).
//   tap_weight[n] = correct[n] / correct_count[g] (0 where the count is 0)
//   apply[g] = needs_correct ? correct_count[g] > 0 : valid[g] > 0
struct ClassifyArgs {
  Groups groups;
  CTensor logits;                    // [N, 1, 1, K], the original network's
  const int32_t* labels = nullptr;   // [N]
  bool needs_correct = true;         // method.md section 2: `released` skips a batch without a correct sample
  int32_t* predicted = nullptr;      // [N]
  float* tap_weight = nullptr;       // [N]
  int32_t* correct_count = nullptr;  // [G]; -1 where the logits of a valid sample are not all finite
  int32_t* apply = nullptr;          // [G]
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

// ---- gate learning -----------------------------------------------------------------------------------------------
enum class Objective : uint8_t { released, paper, variational };  // method.md section 2

// Fills the multipliers of one gate from its logits: row 0 ones; then
//   released, paper: row 1+g = sigmoid(logits[g])
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
//   released:    first = sum_n tap_weight[n] tap_sum[n] / (H W C L)           regular = mean_c mu^2 / L
//   paper:       first = mean((R - mu R)^2)                                   regular = mean((mu R)^2)
//   variational: first = (mean((R - mu R)^2) + log 2 pi + mean log(.)) / 2
//                regular = mean((sigma R)^2 - log(.) + (mu R)^2 - 1) / 2      with log(.) = log((sigma R)^2 + 1e-6)
//   gradient = beta * d regular + (paper, variational: d first) + the chain's part, from dgate
//   logits -= lr * gradient / max(norm2(gradient), 1e-12), and sigma the same, where apply[g] and lr > 0
// Means are over the group's valid samples, pixels and channels; the sums are those of GateStatisticsArgs.
struct GateUpdateArgs {
  Groups groups;
  Objective objective = Objective::released;
  int64_t channels = 0, plane = 0;     // C, H*W
  int64_t gates = 1;                   // L
  const float* hyper = nullptr;        // [2]: lr, beta
  const int32_t* apply = nullptr;      // [G]
  const float* tap_weight = nullptr;   // [N], released
  const double* tap_sum = nullptr;     // [N], released
  const double* sum_square = nullptr;  // [G, C], paper and variational
  const double* sum_log = nullptr;     // [G, C], variational
  const double* sum_ratio = nullptr;   // [G, C], variational
  const float* dgate = nullptr;        // [rows, C], gradient at the multipliers (row 0 unused)
  const float* noise = nullptr;        // [N, C], variational
  float* logits = nullptr;             // [G, C]
  float* sigma = nullptr;              // [G, C], variational
  float* gradient = nullptr;           // [G, C], at the logits
  double* terms = nullptr;             // [G, 2]: first, regular
};

// ---- images ------------------------------------------------------------------------------------------------------
// What one input image is made of. In the backend's memory, so that it may change from step to step.
struct AugmentSample {
  const uint8_t* image = nullptr;                              // [height, width, 3]; null: the sample stays as it is
  int32_t width = 0, height = 0;                               // at most AugmentArgs::max_side
  int32_t left = 0, top = 0, crop_width = 0, crop_height = 0;  // inside the image
  int32_t flip = 0, unused = 0;
};

// y[n] = byte_values[c][resized], where `resized` is the crop of the sample's image, resized to S x S by the
// antialiased filter of engine/resize_filter.h (columns, then rows, 8 bits in between; what lies outside of the crop
// does not count), mirrored where flip is set. RandomResizedCrop, RandomHorizontalFlip and Normalize of torchvision.
struct AugmentArgs {
  Tensor y;                                // [N, S, S, 3], dense
  const AugmentSample* samples = nullptr;  // [N]
  const float* byte_values = nullptr;      // [3, 256]: the normalised value of every byte, per channel
  int64_t max_side = 0;                    // of an image
};

// ---- the table ---------------------------------------------------------------------------------------------------
template <class Args>
using Entry = Kernel (*)(Planner&, const Args&);

struct OpTable {
  Entry<Conv2dArgs> conv2d;
  Entry<Conv2dBackwardArgs> conv2d_backward;
  Entry<LinearArgs> linear;
  Entry<LinearBackwardArgs> linear_backward;
  Entry<PointwiseArgs> pointwise;
  Entry<PointwiseBackwardArgs> pointwise_backward;
  Entry<GateArgs> gate;
  Entry<EpilogueBackwardArgs> epilogue_backward;
  Entry<MaxPoolArgs> max_pool;
  Entry<MaxPoolBackwardArgs> max_pool_backward;
  Entry<AvgPoolArgs> avg_pool;
  Entry<AvgPoolBackwardArgs> avg_pool_backward;
  Entry<AdaptivePoolArgs> adaptive_pool;
  Entry<AdaptivePoolBackwardArgs> adaptive_pool_backward;
  Entry<BatchNormArgs> batch_norm;
  Entry<BatchNormBackwardArgs> batch_norm_backward;
  Entry<ClassifyArgs> classify;
  Entry<SoftmaxLossArgs> softmax_loss;
  Entry<GateValuesArgs> gate_values;
  Entry<GateNoiseArgs> gate_noise;
  Entry<GateStatisticsArgs> gate_statistics;
  Entry<GateUpdateArgs> gate_update;
  Entry<AugmentArgs> augment;
  Entry<Conv2dMaxPoolArgs> conv2d_max_pool = nullptr;  // null: nothing is fused
  Entry<Conv2dMaxPoolBackwardArgs> conv2d_max_pool_backward = nullptr;
  bool conv2d_sums_taps = false;  // conv2d fills Conv2dArgs::tap_sum; else it must be null
  // Whether conv2d_max_pool and its backward op take this convolution of x to so many channels.
  bool (*fuses_max_pool)(const Planner&, const Conv2dParams&, const PoolParams&, const Shape& x,
                         int64_t channels) = nullptr;
};

}  // namespace nad
