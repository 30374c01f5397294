// Packing at planning time: weights into panels, per-channel vectors padded for whole vector loads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/context.h"
#include "engine/parallel.h"
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/stream.h"

namespace nad::cpu {

inline bool in_bf16(const Planner& planner) { return planner.precision() == Precision::bf16 && bf16_products(); }

// Round to nearest even, as the hardware does.
inline uint16_t to_bf16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline uint16_t narrow_bits(float value) { return to_bf16(value); }
inline uint16_t narrow_bits(int16_t value) { return static_cast<uint16_t>(value); }

// value(k, column), a float or an int16_t, fills the panels of
// `shape` at `to`; padding columns and an odd last k are 0.
template <class Value>
void pack_panels(const PackedShape& shape, std::byte* to, const Value& value) {
  for (int64_t slice = 0; slice < shape.blocks(); ++slice) {
    const int64_t k0 = slice * shape.block, length = shape.block_length(slice);
    for (int64_t panel = 0; panel < shape.panels(); ++panel) {
      const int64_t width = shape.width(panel), first = panel * shape.panel_columns();
      std::byte* out = to + shape.offset(slice, panel);
      const auto at = [&](int64_t k, int64_t c) {
        return k < length && first + c < shape.columns ? value(k0 + k, first + c) : decltype(value(k, c)){};
      };
      for (int64_t step = 0; step < shape.steps(slice); ++step) {
        for (int64_t c = 0; c < width; ++c, out += 4) {
          if (shape.narrow) {
            const uint16_t pair[2] = {narrow_bits(at(2 * step, c)), narrow_bits(at(2 * step + 1, c))};
            std::memcpy(out, pair, 4);
          } else {
            const auto v = static_cast<float>(at(step, c));
            std::memcpy(out, &v, 4);
          }
        }
      }
    }
  }
}

// A copy of a [C] parameter, or `otherwise` for a null one, that can be read in whole vectors.
inline const float* padded_vector(Planner& planner, const Param& param, int64_t channels, float otherwise,
                                  std::vector<Buffer>& keep) {
  const size_t bytes = static_cast<size_t>(channels + 31) / 16 * 16 * sizeof(float);
  Buffer padded = planner.weights(bytes);
  auto* copy = reinterpret_cast<float*>(padded.get());
  for (int64_t c = 0; c < channels; ++c) copy[c] = param ? param->data[static_cast<size_t>(c)] : otherwise;
  keep.push_back(planner.share(std::move(padded), bytes));
  return reinterpret_cast<const float*>(keep.back().get());
}

inline float channel(const Param& param, int64_t c, float otherwise) {
  return param ? param->data[static_cast<size_t>(c)] : otherwise;
}

inline constexpr float kNoFloor = -std::numeric_limits<float>::infinity();

inline Source forward_source(Planner& planner, const Conv2dArgs& args, std::vector<Buffer>& keep) {
  Source s{args.x.data, args.x.stride, args.x.shape.h, args.x.shape.w, args.x.shape.c};
  if (args.prologue) {
    s.scale = padded_vector(planner, args.prologue.scale, s.channels, 1, keep);
    s.shift = padded_vector(planner, args.prologue.shift, s.channels, 0, keep);
    s.floor = args.prologue.relu ? 0 : kNoFloor;
  }
  return s;
}

// Only vectors that are whole cache lines go past the caches: halves of a line, a column of other pixels apart, leave
// the processor one by one (Zen 3, AVX2: 33 ms so, 20 ms through the caches).
inline bool streams(const Planner& planner, const Tensor& y) {
  return conv_isa(in_bf16(planner))->lane_bits == 4 && streamable(y);
}

// The epilogue's scale is not here: it is folded into the weights.
inline Finish forward_finish(Planner& planner, const Conv2dArgs& args, std::vector<Buffer>& keep) {
  Finish f;
  f.y = args.y.data;
  f.y_stride = args.y.stride;
  f.channels = args.y.shape.c;
  f.shift = padded_vector(planner, args.epilogue.shift, f.channels, 0, keep);
  f.residual = args.epilogue.residual.data;
  f.residual_stride = args.epilogue.residual.stride;
  f.relu = args.epilogue.relu;
  f.floor = f.relu ? 0 : kNoFloor;
  f.gate = args.epilogue.gate.table;
  f.gate_row = args.epilogue.gate.row;
  f.gate_stride = args.epilogue.gate.stride;
  f.stream = streams(planner, args.y);
  return f;
}

inline Source backward_source(const Conv2dBackwardArgs& args) {
  return {args.dz.data, args.dz.stride, args.dz.shape.h, args.dz.shape.w, args.dz.shape.c};
}

// The prologue's scale is not here: its derivative is folded into the weights.
inline Finish backward_finish(Planner& planner, const Conv2dBackwardArgs& args, std::vector<Buffer>& keep) {
  Finish f;
  f.y = args.dx.data;
  f.y_stride = args.dx.stride;
  f.channels = args.dx.shape.c;
  f.shift = padded_vector(planner, nullptr, f.channels, 0, keep);
  f.floor = kNoFloor;
  if (args.prologue.relu) {
    f.mask = args.x.data;
    f.mask_stride = args.x.stride;
    f.scale = padded_vector(planner, args.prologue.scale, f.channels, 1, keep);
    f.mask_shift = padded_vector(planner, args.prologue.shift, f.channels, 0, keep);
  }
  f.stream = streams(planner, args.dx) && args.mode == Accumulate::overwrite;
  if (args.mode == Accumulate::add) {
    f.residual = args.dx.data;
    f.residual_stride = args.dx.stride;
  }
  return f;
}

}  // namespace nad::cpu
