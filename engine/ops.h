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
// The multiplier of sample n, channel c is table[row[n] * stride + c]. Like a tensor's channels, those of a gate may
// be a slice of a wider table: stride > C.
// PRECOND where the table has a gradient (EpilogueBackwardArgs::dgate): samples of one row are adjacent, row[] never
// returns to an earlier value.
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

// tap_sum, where the backend fills it (OpTable::conv2d_sums_taps): the distance tap between the two halves of y,
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
// repeat > 1 is where each sample of a batch goes on under several rows of the table.
struct GateArgs {
  CTensor x;     // [N, H, W, C]
  GateRef gate;  // row: [repeat * N]
  bool relu = false;
  int64_t repeat = 1;
  Tensor y;  // [repeat * N, H, W, C]
};

// From the gradient at a gated, rectified output y back to the gradient at z (see Epilogue). A distance tap adds
// tap_scale * sum_n tap_weight[n] * |y[n] - tap_target[n]|^2 to the loss:
//   t  = dy + 2 * tap_scale * tap_weight[n] * (y - tap_target)
//   dz = gate * t * (relu ? y != 0 : 1)          (the sign of y is z's times the gate's; y = 0 iff z <= 0)
//   dgate[row, c] = sum over the row's samples and pixels of t * y / gate      (0 where gate = 0)
//   tap_sum[n] = sum over pixels and channels of (y - tap_target)^2
// y / gate is the value before the gate: nothing but y is
// kept. The same formulas serve GateArgs' relu after the gate.
struct EpilogueBackwardArgs {
  CTensor dy;  // [N, H, W, C]
  CTensor y;   // [N, H, W, C]
  bool relu = false;
  GateRef gate;                       // or empty
  CTensor tap_target;                 // [N, H, W, C] or empty: no tap
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

// ---- BatchNorm by the batch's own statistics ---------------------------------------------------------------------
// How the statistics of a network are measured: each layer's input is that of a normalised network, at any depth. (With
// statistics that are known BatchNorm is an affine map: Epilogue and Prologue. Its own, gamma and beta, follows here in
// a pointwise op.) All results depend on the whole batch, in a fixed order of additions.
//   mean[c] and variance[c] (biased) over N, H, W;   y = (x - mean) / sqrt(variance + epsilon)
struct BatchNormArgs {
  CTensor x;                  // [N, H, W, C]
  double epsilon = 1e-5;      // 0 or more
  float* mean = nullptr;      // [C]
  float* variance = nullptr;  // [C]
  Tensor y;                   // [N, H, W, C]
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
  Entry<Conv2dMaxPoolArgs> conv2d_max_pool = nullptr;  // null: nothing is fused
  Entry<Conv2dMaxPoolBackwardArgs> conv2d_max_pool_backward = nullptr;
  bool conv2d_sums_taps = false;  // conv2d fills Conv2dArgs::tap_sum; else it must be null
  // Whether conv2d_max_pool and its backward op take this convolution of x to so many channels.
  bool (*fuses_max_pool)(const Planner&, const Conv2dParams&, const PoolParams&, const Shape& x,
                         int64_t channels) = nullptr;
};

}  // namespace nad
