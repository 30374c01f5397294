// The cases of every op, awkward sizes on purpose: 1, 3, 7x7 planes, channels from 1
// to 129, slices of slabs. One table drives the comparison of backends (test_ops),
// the gradient checks (test_grads) and, with the networks' own shapes, bench_kernels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/learning_ops.h"

namespace nad::test {

// What a case switches on; each op reads the options that it knows.
enum Option : unsigned {
  kPrologueRelu = 1,
  kPrologueAffine = 2,
  kScale = 4,
  kShift = 8,
  kResidual = 16,
  kRelu = 32,
  kGate = 64,
  kAdd = 128,        // the backward op accumulates
  kSlab = 256,       // tensors are channel slices of wider slabs, the gate is one of a wider table
  kTap = 512,        // a loss tap: epilogue_backward, conv2d
  kNoData = 1024,    // epilogue_backward: nothing below needs a gradient
  kInPlace = 2048,   // the gradient of the input overwrites the one of the output
  kMultiple = 4096,  // samples of the batch use several gate rows
  kAligned = 8192    // with kSlab: slices begin and end at multiples of 16 bytes
};

inline std::string option_text(unsigned options) {
  constexpr const char* kNames[] = {"prelu", "paffine", "scale", "shift",  "residual", "relu",     "gate",
                                    "add",   "slab",    "tap",   "nodata", "inplace",  "multiple", "aligned"};
  std::string text;
  for (unsigned bit = 0; bit < 14; ++bit) {
    if (options >> bit & 1) text += std::string("+") + kNames[bit];
  }
  return text;
}

// ---- convolution -------------------------------------------------------------------------------------------------
struct ConvCase {
  int64_t n, h, w, in, out;
  Conv2dParams params;
  unsigned options = 0;
};

inline Conv2dParams square(int64_t kernel, int64_t stride, int64_t pad, int64_t dilation = 1, int64_t groups = 1,
                           int64_t offset = 0) {
  return {kernel, kernel, stride, stride, pad, pad, dilation, dilation, groups, offset, offset};
}

inline std::string conv_text(const ConvCase& c) {
  const Conv2dParams& p = c.params;
  std::string text = std::to_string(p.kernel_h) + "x" + std::to_string(p.kernel_w) + " " + std::to_string(c.in) +
                     "->" + std::to_string(c.out) + " on " + std::to_string(c.n) + "x" + std::to_string(c.h) + "x" +
                     std::to_string(c.w);
  if (p.stride_h > 1 || p.stride_w > 1) text += " s" + std::to_string(p.stride_h) + std::to_string(p.stride_w);
  text += " p" + std::to_string(p.pad_h) + std::to_string(p.pad_w);
  if (p.dilation_h > 1) text += " d" + std::to_string(p.dilation_h);
  if (p.groups > 1) text += " g" + std::to_string(p.groups);
  if (p.offset_h) text += " o" + std::to_string(p.offset_h);
  return text + option_text(c.options);
}

// Shapes: every kind of convolution in the four networks, at sizes where each edge matters.
inline std::vector<ConvCase> conv_shapes() {
  return {
      // Depthwise with a dilation that is longer than the ways written for one kernel each reach.
      {1, 6, 26, 8, 8, {3, 2, 1, 1, 1, 5, 1, 11, 8, 0, 0}},
      {1, 6, 26, 8, 8, {3, 2, 1, 1, 1, 5, 1, 12, 8, 0, 0}},
      {1, 6, 26, 9, 9, {3, 1, 1, 1, 1, 0, 1, 21, 9, 0, 0}},
      {1, 4, 47, 8, 8, {1, 3, 1, 1, 0, 21, 1, 21, 8, 0, 0}},
      {1, 1, 1, 1, 1, square(1, 1, 0)},
      {3, 1, 1, 129, 17, square(1, 1, 0)},
      {2, 7, 7, 64, 129, square(1, 1, 0), kShift | kRelu},
      {2, 14, 14, 48, 32, square(1, 1, 0), kPrologueRelu | kSlab},
      {1, 3, 3, 3, 1, square(1, 1, 0), kShift},
      {2, 7, 7, 96, 128, square(1, 1, 0), kPrologueRelu | kPrologueAffine | kShift | kRelu | kSlab},
      {1, 14, 14, 256, 64, square(1, 1, 0), kShift | kResidual | kRelu | kGate | kMultiple},
      {2, 7, 7, 1024, 128, square(1, 1, 0), kShift | kRelu},
      {1, 19, 19, 300, 600, square(1, 1, 0), kShift | kSlab},
      {2, 8, 8, 32, 64, square(1, 2, 0), kShift},
      {2, 7, 7, 33, 65, square(1, 2, 0), kAdd},
      {2, 8, 8, 16, 8, square(1, 2, 0, 1, 1, 1), kPrologueRelu | kShift | kSlab},
      {1, 7, 7, 5, 24, square(1, 2, 0, 1, 1, 1), kPrologueRelu | kSlab | kAdd},
      {1, 1, 1, 5, 7, square(3, 1, 1), kShift},
      {1, 2, 2, 16, 16, square(3, 1, 1), kShift | kRelu},
      {2, 7, 7, 33, 65, square(3, 1, 1), kShift | kRelu | kGate | kMultiple},
      {1, 7, 7, 512, 512, square(3, 1, 1), kShift | kRelu},
      {1, 14, 14, 64, 64, square(3, 1, 1), kShift | kRelu},
      {2, 28, 28, 32, 32, square(3, 1, 1), kShift | kRelu | kGate},
      {2, 13, 9, 17, 19, square(3, 1, 1), kScale | kShift | kResidual | kRelu | kGate | kMultiple},
      {1, 17, 23, 128, 32, square(3, 1, 1), kPrologueRelu | kPrologueAffine | kSlab},
      {2, 9, 9, 8, 8, square(3, 1, 0)},
      {2, 15, 15, 17, 19, square(3, 2, 1), kShift | kRelu},
      {2, 14, 14, 64, 64, square(3, 2, 1), kShift | kRelu},
      {2, 31, 33, 3, 24, square(3, 2, 1), kShift | kRelu},
      {1, 9, 11, 16, 16, square(3, 1, 2, 2), kPrologueRelu},
      {1, 16, 16, 3, 64, square(3, 1, 1), kShift | kRelu | kGate},
      {1, 10, 10, 12, 20, square(5, 1, 2)},
      {2, 32, 32, 3, 64, square(7, 2, 3), kShift | kRelu},
      {1, 31, 29, 3, 17, square(7, 2, 3)},
      {2, 9, 12, 16, 24, {1, 7, 1, 1, 0, 3}, kPrologueRelu},
      {2, 9, 12, 16, 24, {7, 1, 1, 1, 3, 0}, kAdd},
      {1, 12, 12, 8, 8, {1, 7, 1, 2, 0, 3}, kPrologueRelu},
      {1, 12, 12, 8, 8, {7, 1, 2, 1, 3, 0}},
      {2, 7, 7, 1, 1, square(3, 1, 1)},
      {2, 9, 9, 12, 12, square(3, 1, 1, 1, 12), kPrologueRelu},
      {1, 14, 14, 48, 48, square(3, 1, 1, 1, 48), kPrologueRelu | kSlab},
      {2, 7, 7, 129, 129, square(5, 1, 2, 1, 129), kPrologueRelu},
      {1, 15, 15, 96, 96, square(3, 2, 1, 1, 96), kPrologueRelu | kAdd},
      {2, 14, 14, 16, 16, square(5, 2, 2, 1, 16), kPrologueRelu},
      {1, 14, 13, 24, 24, square(7, 1, 3, 1, 24), kPrologueRelu},
      {1, 14, 14, 33, 33, square(7, 2, 3, 1, 33)},
      {1, 11, 11, 48, 48, square(3, 1, 2, 2, 48), kPrologueRelu | kSlab | kAdd},
      {1, 11, 11, 20, 20, square(5, 2, 4, 2, 20), kPrologueRelu},
      {2, 7, 7, 16, 16, square(3, 1, 1, 1, 16), kScale | kShift | kRelu | kGate | kMultiple},
      {1, 6, 6, 12, 20, square(3, 1, 1, 1, 4), kShift},
      {1, 6, 6, 8, 16, square(3, 2, 1, 1, 8), kPrologueRelu},
      {2, 6, 6, 64, 32, square(1, 1, 0, 1, 2), kRelu},
  };
}

// Every combination of prologue and epilogue on small shapes, one per family of algorithms.
inline std::vector<ConvCase> conv_combinations() {
  const ConvCase shapes[] = {{3, 5, 6, 16, 19, square(3, 1, 1)},
                             {3, 3, 7, 35, 32, square(1, 1, 0)},
                             {3, 6, 5, 18, 18, square(3, 1, 1, 1, 18)}};
  std::vector<ConvCase> cases;
  for (const ConvCase& shape : shapes) {
    for (unsigned bits = 0; bits < 128; ++bits) {
      ConvCase c = shape;
      c.options = bits | (bits % 3 == 0 ? kSlab : 0u) | (bits % 6 == 0 ? kAligned : 0u) | (bits % 2 ? kAdd : 0u) |
                  (bits & kGate ? kMultiple : 0u);
      cases.push_back(c);
    }
  }
  return cases;
}

// 3x3 convolutions with a 2x2 max-pool behind them: odd extents, whose last row or column no window reaches, channels
// that fill no vector. kAdd forward: without the argmax, as in evaluation.
inline std::vector<ConvCase> conv_max_pool_cases() {
  constexpr unsigned kUsual = kShift | kRelu | kGate | kMultiple;
  return {{2, 12, 12, 64, 64, square(3, 1, 1), kUsual},
          {3, 13, 10, 48, 80, square(3, 1, 1), kScale | kShift | kRelu | kAdd},
          {2, 11, 15, 65, 67, square(3, 1, 1), kShift | kGate | kMultiple | kAdd},
          {1, 14, 14, 96, 128, square(3, 1, 1), kUsual | kSlab | kAligned},
          {2, 9, 17, 100, 72, square(3, 1, 0), kUsual | kSlab | kAdd},
          {1, 28, 28, 128, 256, square(3, 1, 1), kShift}};
}

// ---- linear, elementwise -----------------------------------------------------------------------------------------
struct TensorCase {  // [n, h, w, c] and, for linear, `out` columns; for gate, how often x is repeated
  Shape shape;
  int64_t out = 1;
  unsigned options = 0;
};

inline std::vector<TensorCase> linear_cases() {
  return {{{1, 1, 1, 1}, 1},
          {{3, 1, 1, 129}, 10, kShift},
          {{2, 7, 7, 32}, 65, kShift | kRelu},
          {{4, 1, 1, 512}, 365, kShift | kAdd},
          {{17, 1, 1, 2048}, 1000, kShift},
          {{33, 2, 3, 5}, 7, kShift | kScale | kResidual | kRelu | kGate | kMultiple | kAdd}};
}

inline std::vector<TensorCase> pointwise_cases() {
  std::vector<TensorCase> cases = {{{1, 1, 1, 1}, 1, kScale}, {{2, 14, 14, 64}, 1, kScale | kShift | kRelu | kGate}};
  for (unsigned bits = 0; bits < 32; ++bits) {
    const unsigned options = bits * kScale | (bits % 2 ? kSlab : 0u) | (bits & 16 ? kMultiple : 0u) |
                             (bits % 3 == 0 ? kAdd : 0u) | (bits % 5 == 1 ? kInPlace : 0u);
    cases.push_back({{3, 3, 5, 19}, 1, options});
    cases.push_back({{2, 7, 7, 129}, 1, options ^ kSlab});
    if (bits % 4 == 1) cases.push_back({{2, 5, 3, 32}, 1, options | kSlab | kAligned});
  }
  return cases;
}

inline std::vector<TensorCase> gate_cases() {
  std::vector<TensorCase> cases;
  for (int64_t repeat = 1; repeat <= 3; ++repeat) {
    for (unsigned options : {0u, unsigned{kRelu}, kSlab | kMultiple, kRelu | kSlab | kMultiple}) {
      cases.push_back({{2, 7, 7, 129}, repeat, options});
      cases.push_back({{3, 3, 1, 16}, repeat, options});
      cases.push_back({{1, 1, 1, 1}, repeat, options});
    }
    cases.push_back({{3, 2, 5, 12}, repeat, kSlab | kAligned | kMultiple});
  }
  return cases;
}

inline std::vector<TensorCase> epilogue_backward_cases() {
  std::vector<TensorCase> cases = {{{1, 1, 1, 1}, 1, kRelu | kGate | kTap},
                                   {{2, 56, 56, 64}, 1, kRelu | kGate | kTap | kMultiple},
                                   {{4, 1, 1, 2048}, 1, kRelu | kGate | kTap | kInPlace}};
  for (unsigned bits = 0; bits < 8; ++bits) {
    const unsigned base = (bits & 1 ? kRelu : 0u) | (bits & 2 ? kGate : 0u) | (bits & 4 ? kTap : 0u);
    for (unsigned more : {0u, unsigned{kSlab}, unsigned{kNoData}, kInPlace | kSlab, unsigned{kMultiple},
                          kInPlace | kSlab | kAligned | kMultiple}) {
      cases.push_back({{5, 7, 7, 33}, 1, base | more});
      cases.push_back({{3, 3, 2, 16}, 1, base | more});
    }
  }
  return cases;
}

// ---- pooling -----------------------------------------------------------------------------------------------------
struct PoolCase {
  Shape shape;
  PoolParams params;
  unsigned options = 0;
};

inline std::vector<PoolCase> pool_cases() {
  std::vector<PoolCase> cases;
  const PoolParams kinds[] = {
      {2, 2, 2, 2, 0, 0}, {3, 3, 2, 2, 1, 1}, {3, 3, 1, 1, 1, 1}, {2, 3, 1, 2, 0, 1}, {3, 2, 2, 1, 1, 1}};
  const Shape shapes[] = {{2, 7, 7, 33}, {1, 14, 14, 64}, {3, 5, 8, 16}, {1, 3, 3, 1}};
  unsigned turn = 0;
  for (PoolParams kind : kinds) {
    for (const Shape& shape : shapes) {
      for (unsigned options : {0u, unsigned{kRelu}, kRelu | kGate, kGate | kMultiple}) {
        kind.count_include_pad = turn % 2 == 0;
        cases.push_back(
            {shape, kind,
             options | (turn % 3 == 0 ? kSlab : 0u) | (turn % 6 == 0 ? kAligned : 0u) | (turn % 4 == 0 ? kAdd : 0u)});
        ++turn;
      }
    }
  }
  cases.push_back({{2, 7, 7, 129}, {7, 7, 7, 7, 0, 0}, 0});  // global
  cases.push_back({{2, 8, 13, 20}, {7, 7, 7, 7, 0, 0}, 0});  // of the first 7x7: the rest has no gradient
  return cases;
}

struct AdaptiveCase {
  Shape shape;
  int64_t out_h, out_w;
  unsigned options = 0;
};

inline std::vector<AdaptiveCase> adaptive_cases() {
  return {{{2, 7, 7, 33}, 7, 7},
          {{2, 14, 14, 16}, 7, 7, kAdd},
          {{1, 5, 3, 20}, 7, 7, kSlab},
          {{3, 7, 7, 129}, 1, 1, kSlab},
          {{2, 1, 1, 64}, 7, 7, kGate},
          {{2, 10, 9, 12}, 3, 4, kGate | kMultiple},
          {{2, 7, 7, 64}, 1, 1, kRelu | kGate | kAdd}};
}

// ---- BatchNorm by the batch's statistics -------------------------------------------------------------------------
struct NormCase {
  Shape shape;
  unsigned options = 0;
  float mean = 0;  // of x: a large one would cancel in sum x^2 - (sum x)^2
};

inline std::vector<NormCase> norm_cases() {
  return {{{1, 1, 1, 1}},          {{2, 3, 5, 33}, kSlab}, {{3, 7, 7, 64}},
          {{2, 29, 29, 5}, kSlab}, {{1, 23, 23, 16}},      {{2, 9, 4, 8}, 0, 500.0f}};
}

// ---- losses and gate learning ------------------------------------------------------------------------------------
struct LossCase {
  int64_t groups, batch, classes;
  bool binary;
  std::vector<int32_t> valid;
  bool broken = false;  // the last sample's first logit is infinite
};

// What the original network of some samples, valid or not, makes of an overflow.
inline std::vector<LossCase> broken_cases() {
  return {{1, 1, 2, false, {1}, true}, {2, 4, 70, false, {3, 4}, true}, {2, 4, 70, true, {4, 3}, true}};
}

inline std::vector<LossCase> loss_cases() {
  std::vector<LossCase> cases;
  for (bool binary : {false, true}) {
    cases.push_back({1, 1, 2, binary, {1}});
    cases.push_back({1, 16, 1000, binary, {16}});
    cases.push_back({3, 5, 365, binary, {5, 2, 0}});
    cases.push_back({2, 4, 7, binary, {3, 4}});
  }
  return cases;
}

// Losses of groups that are shown other classes' images; batch: own images and others together.
struct SpecificCase {
  SpecificTarget target;
  int64_t groups, batch, classes;
  std::vector<int32_t> valid, others;
};

inline std::vector<SpecificCase> specific_cases() {
  std::vector<SpecificCase> cases;
  for (SpecificTarget target : {SpecificTarget::named_class, SpecificTarget::all}) {
    cases.push_back({target, 1, 2, 2, {1}, {1}});
    cases.push_back({target, 1, 32, 1000, {16}, {16}});
    cases.push_back({target, 4, 10, 365, {5, 2, 0, 4}, {5, 3, 5, 0}});
    cases.push_back({target, 2, 8, 7, {3, 4}, {4, 1}});
  }
  return cases;
}

struct GateCase {
  Objective objective;
  int64_t groups, batch, channels, plane;
  std::vector<int32_t> valid;
};

inline std::vector<GateCase> gate_learning_cases() {
  std::vector<GateCase> cases;
  for (Objective objective : {Objective::released, Objective::paper, Objective::variational, Objective::specific}) {
    cases.push_back({objective, 1, 1, 1, 1, {1}});
    cases.push_back({objective, 1, 4, 64, 9, {4}});
    cases.push_back({objective, 3, 4, 129, 49, {4, 1, 0}});
    cases.push_back({objective, 2, 3, 33, 4, {2, 3}});
  }
  return cases;
}

}  // namespace nad::test
