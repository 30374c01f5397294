// Linear: acc[n, o] = sum_j W[o, j] * x[n, j], then the
// epilogue. To the data: dx[n, j] (+)= sum_o W[o, j] * dz[n, o].
#pragma once

#include <algorithm>

#include "engine/parallel.h"
#include "kernels/reference/common.h"

namespace nad::reference {

template <class Args>
void linear(const Args& a) {
  const int64_t out = a.y.shape.c, in = a.x.shape.count() / a.x.shape.n;
  parallel_for(a.y.shape.n * out, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const auto* x = a.x.data + item / out * in;
      const float* w = a.weight->data.data() + item % out * in;
      double acc = 0;
      for (int64_t j = 0; j < in; ++j) acc += static_cast<double>(w[j]) * static_cast<double>(x[j]);
      finish(a.epilogue, a.y, item / out, item % out, acc);
    }
  });
}

template <class Args>
void linear_backward(const Args& a) {
  constexpr int64_t kColumns = 16;  // of W at a time, so that W is read along its rows
  const int64_t out = a.dz.shape.c, in = a.dx.shape.count() / a.dx.shape.n, tiles = (in + kColumns - 1) / kColumns;
  parallel_for(a.dx.shape.n * tiles, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / tiles, first = item % tiles * kColumns, count = std::min(kColumns, in - first);
      double acc[kColumns] = {};
      for (int64_t o = 0; o < out; ++o) {
        const double dz = static_cast<double>(a.dz.pixel(n)[o]);
        const float* w = a.weight->data.data() + o * in + first;
        for (int64_t j = 0; j < count; ++j) acc[j] += dz * static_cast<double>(w[j]);
      }
      for (int64_t j = 0; j < count; ++j) put(a.dx.data[n * in + first + j], acc[j], a.mode);
    }
  });
}

}  // namespace nad::reference
