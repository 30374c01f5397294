// The distinct layers of the four networks at 224x224 with 1,000 classes, as cases of tests/cases.h, written down by
// the rules that build the networks.
#pragma once

#include <string>
#include <vector>

#include "tests/problems.h"

namespace nad::bench {

using namespace nad::test;

struct Network {
  std::string name;
  std::vector<ConvCase> convs = {};
  std::vector<ConvCase> pooled_convs = {};  // again, with the max-pool behind them
  std::vector<TensorCase> linears = {};
  std::vector<TensorCase> epilogues = {};  // gates with a loss tap: pointwise forward, epilogue_backward
  std::vector<PoolCase> max_pools = {}, avg_pools = {};
  std::vector<AdaptiveCase> adaptive_pools = {};
  std::vector<TensorCase> gates = {};  // that no other op applies; out = 2: original and gated samples from one
  std::vector<std::pair<int64_t, int64_t>> gated_channels = {};  // of every gate: C and H * W
};

// Appends a convolution on an h x h plane unless the network has it already.
inline void add_conv(Network& network, int64_t h, int64_t in, int64_t out, const Conv2dParams& params,
                     unsigned options) {
  const ConvCase c = {1, h, h, in, out, params, options};
  for (const ConvCase& known : network.convs) {
    if (conv_text(known) == conv_text(c)) return;
  }
  network.convs.push_back(c);
}

inline constexpr unsigned kGated = kRelu | kGate | kMultiple;
inline constexpr unsigned kSlice = kSlab | kAligned;  // as the networks cut their slabs

inline Network vgg16() {
  Network n{.name = "vgg16", .gates = {{{1, 224, 224, 64}, 2, kMultiple}}};
  int64_t in = 3, h = 224;
  for (const auto& [width, depth] : {std::pair<int64_t, int>{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}}) {
    for (int i = 0; i < depth; ++i, in = width) {
      const bool last = i + 1 == depth;  // its gate follows the pooling
      add_conv(n, h, in, width, square(3, 1, 1), kShift | (last ? unsigned{kRelu} : kGated));
    }
    n.pooled_convs.push_back({1, h, h, width, width, square(3, 1, 1), kShift | kGated});
    n.max_pools.push_back({{1, h, h, width}, {2, 2, 2, 2, 0, 0}, kGate | kMultiple});
    n.epilogues.push_back({{1, h, h, width}, 1, kGated | kTap});
    n.gated_channels.emplace_back(width, h * h);
    h /= 2;
    n.gated_channels.emplace_back(width, h * h);
  }
  n.adaptive_pools = {{{1, 7, 7, 512}, 7, 7, kGate | kMultiple}};
  n.linears = {{{1, 7, 7, 512}, 4096, kShift | kRelu},
               {{1, 1, 1, 4096}, 4096, kShift | kRelu},
               {{1, 1, 1, 4096}, 1000, kShift}};
  return n;
}

inline Network resnet50() {
  Network n{.name = "resnet50",
            .linears = {{{1, 1, 1, 2048}, 1000, kShift}},
            .max_pools = {{{1, 112, 112, 64}, {3, 3, 2, 2, 1, 1}, kGate}},
            .adaptive_pools = {{{1, 7, 7, 2048}, 1, 1}},
            .gates = {{{1, 56, 56, 64}, 2, kMultiple}},
            .gated_channels = {{64, 56 * 56}}};
  add_conv(n, 224, 3, 64, square(7, 2, 3), kShift | kRelu);
  int64_t in = 64, h = 56, width = 64;
  for (int depth : {3, 4, 6, 3}) {
    for (int i = 0; i < depth; ++i, in = 4 * width) {
      const int64_t stride = i == 0 && width > 64 ? 2 : 1;
      add_conv(n, h, in, width, square(1, 1, 0), kShift | kRelu);
      if (i == 0) add_conv(n, h, in, 4 * width, square(1, stride, 0), kShift);
      add_conv(n, h, width, width, square(3, stride, 1), kShift | kRelu);
      h /= stride;
      add_conv(n, h, width, 4 * width, square(1, 1, 0), kShift | kResidual | kGated);
    }
    n.epilogues.push_back({{1, h, h, 4 * width}, 1, kGated | kTap});
    n.gated_channels.emplace_back(4 * width, h * h);
    width *= 2;
  }
  return n;
}

inline Network densenet121() {
  Network n{.name = "densenet121",
            .linears = {{{1, 1, 1, 1024}, 1000, kShift}},
            .adaptive_pools = {{{1, 7, 7, 1024}, 1, 1}},
            .gates = {{{1, 56, 56, 64}, 2, kSlice | kMultiple}},
            .gated_channels = {{64, 56 * 56}}};
  add_conv(n, 224, 3, 64, square(7, 2, 3), kShift | kRelu);
  n.max_pools.push_back({{1, 112, 112, 64}, {3, 3, 2, 2, 1, 1}, kGate | kSlice});
  constexpr unsigned kLoad = kPrologueRelu | kPrologueAffine;
  int64_t c = 64, h = 56;
  for (int depth : {6, 12, 24, 16}) {
    for (int i = 0; i < depth; ++i, c += 32) add_conv(n, h, c, 128, square(1, 1, 0), kLoad | kShift | kRelu | kSlice);
    add_conv(n, h, 128, 32, square(3, 1, 1), kSlice);
    n.epilogues.push_back({{1, h, h, c}, 1, kGate | kMultiple | kTap});
    n.gated_channels.emplace_back(c, h * h);
    if (h == 7) break;
    n.gates.push_back({{1, h, h, c}, 1, kMultiple});
    add_conv(n, h, c, c / 2, square(1, 1, 0), kLoad);
    c /= 2;
    n.avg_pools.push_back({{1, h, h, c}, {2, 2, 2, 2, 0, 0}, kGate | kSlice});
    h /= 2;
    n.gated_channels.emplace_back(c, h * h);
  }
  return n;
}

inline Network darts() {
  Network n{.name = "darts",
            .linears = {{{1, 1, 1, 768}, 1000, kShift}},
            .adaptive_pools = {{{1, 7, 7, 768}, 1, 1}},
            .gates = {{{1, 56, 56, 48}, 2, kRelu | kMultiple}},
            .gated_channels = {{48, 56 * 56}, {48, 28 * 28}}};
  add_conv(n, 224, 3, 24, square(3, 2, 1), kShift | kRelu);
  add_conv(n, 112, 24, 48, square(3, 2, 1), kShift | kGated);
  add_conv(n, 56, 48, 48, square(3, 2, 1), kShift | kGate | kMultiple);
  int64_t before = 48, h = 28;
  for (int64_t c : {48, 96, 192}) {
    if (c > 48) {  // the reduction cell that leads here
      for (int64_t in : {2 * c, 4 * (c / 2)}) add_conv(n, 2 * h, in, c, square(1, 1, 0), kPrologueRelu | kShift);
      n.max_pools.push_back({{1, 2 * h, 2 * h, c}, {3, 3, 2, 2, 1, 1}, 0});
      for (int64_t offset : {0, 1}) {  // factorised reduction
        add_conv(n, 2 * h, c, c / 2, square(1, 2, 0, 1, 1, offset), kPrologueRelu | kShift | kSlice);
      }
    }
    for (int64_t in : {before, 4 * c}) add_conv(n, h, in, c, square(1, 1, 0), kPrologueRelu | kShift);
    add_conv(n, h, c, c, square(3, 1, 1, 1, c), kPrologueRelu);
    add_conv(n, h, c, c, square(3, 1, 2, 2, c), kPrologueRelu);
    add_conv(n, h, c, c, square(1, 1, 0), kShift);
    // a state that goes straight into the cell's gated slab, and one that a gate brings there
    add_conv(n, h, c, c, square(1, 1, 0), kShift | kResidual | kGate | kMultiple | kSlice);
    add_conv(n, h, c, c, square(1, 1, 0), kShift | kResidual);
    n.epilogues.push_back({{1, h, h, 4 * c}, 1, kGate | kMultiple | kTap});
    n.gates.push_back({{1, h, h, c}, 1, kMultiple | kSlice});
    n.gated_channels.emplace_back(4 * c, h * h);
    before = 4 * c;
    h /= 2;
  }
  return n;
}

}  // namespace nad::bench
