// What the pooling ops share: the checks of their shapes and the arithmetic of their windows.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/check.h"

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

inline void require_pool(const char* op, const PoolParams& p, const Shape& x, const Shape& y) {
  require(p.kernel_h > 0 && p.kernel_w > 0 && p.stride_h > 0 && p.stride_w > 0, op, "a positive kernel and stride");
  require(p.pad_h >= 0 && p.pad_w >= 0 && 2 * p.pad_h <= p.kernel_h && 2 * p.pad_w <= p.kernel_w, op,
          "a padding of at most half the kernel");
  require(x.n == y.n && x.c == y.c, op, "equal samples and channels, got " + to_string(x) + " and " + to_string(y));
  require(y.h == (x.h + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1 &&
              y.w == (x.w + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1,
          op, "an output that fits the windows, got " + to_string(x) + " to " + to_string(y));
}

inline void require_gate_and_relu_only(const char* op, const Epilogue& epilogue) {
  require(!epilogue.scale && !epilogue.shift && !epilogue.residual, op, "an epilogue of ReLU and gate only");
}

}  // namespace nad::cpu
