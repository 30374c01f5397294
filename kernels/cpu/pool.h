// What the pooling ops share: the arithmetic of their windows.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/ops.h"

namespace nad::cpu {

struct Range {
  int64_t begin = 0, end = 0;
};

// For every input position along one axis, the windows (outputs) it lies in.
inline std::vector<Range> windows_of_positions(int64_t positions, int64_t windows, int64_t kernel, int64_t stride,
                                               int64_t pad) {
  std::vector<Range> ranges;
  for (int64_t i = 0; i < positions; ++i) {
    const int64_t first = std::max<int64_t>(0, (i + pad - kernel + stride) / stride);
    ranges.push_back({first, std::max(first, std::min(windows, (i + pad) / stride + 1))});
  }
  return ranges;
}

// The same for both axes, kept by a backward kernel.
struct PoolWindows {
  PoolWindows(const PoolParams& p, const Shape& dx, const Shape& dz)
      : rows(windows_of_positions(dx.h, dz.h, p.kernel_h, p.stride_h, p.pad_h)),
        columns(windows_of_positions(dx.w, dz.w, p.kernel_w, p.stride_w, p.pad_w)) {}
  std::vector<Range> rows, columns;
};

}  // namespace nad::cpu
