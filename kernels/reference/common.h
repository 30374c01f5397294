// What the reference kernels share.
//
// Every kernel's arithmetic is a template over the argument struct: the table instantiates it with the float structs
// of engine/ops.h, the gradient tests with the same structs of doubles (tests/double_args.h). Sums are always double.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/ops.h"

namespace nad::reference {

// The element type of a view, without const.
template <class ViewType>
using Element = std::remove_cv_t<std::remove_reference_t<decltype(*ViewType::data)>>;

inline double at(const Param& values, int64_t i, double fallback) {
  return values ? static_cast<double>(values->data[static_cast<size_t>(i)]) : fallback;
}

// max(z, 0) that lets NaN through, as PyTorch's does.
inline double relu(double z) { return z < 0 ? 0.0 : z; }

// Multiplier of sample n, channel c.
template <class Gate>
double gate_value(const Gate& gate, int64_t n, int64_t c) {
  return gate ? static_cast<double>(gate.table[gate.row[n] * gate.stride + c]) : 1.0;
}

// y = gate * (relu ? max(z, 0) : z), z = scale * acc + shift + residual, at one pixel of y.
template <class EpilogueType, class ViewType>
void finish(const EpilogueType& e, const ViewType& y, int64_t pixel, int64_t c, double acc) {
  double z = at(e.scale, c, 1) * acc + at(e.shift, c, 0);
  if (e.residual) z += static_cast<double>(e.residual.pixel(pixel)[c]);
  if (e.relu) z = relu(z);
  const int64_t n = pixel / (y.shape.h * y.shape.w);
  y.pixel(pixel)[c] = static_cast<Element<ViewType>>(gate_value(e.gate, n, c) * z);
}

// (+)=
template <class T>
void put(T& target, double value, Accumulate mode) {
  target = static_cast<T>(mode == Accumulate::add ? static_cast<double>(target) + value : value);
}

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline double softplus(double x) { return (x > 0 ? x : 0.0) + std::log1p(std::exp(x > 0 ? -x : x)); }

}  // namespace nad::reference
