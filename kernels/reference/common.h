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

struct DoubleMath {
  static double multiply_add(double a, double b, double c) { return a * b + c; }
  static double add(double a, double b) { return a + b; }
  static double multiply(double a, double b) { return a * b; }
};

#define NAD_EPILOGUE_FUNCTION inline
#include "kernels/epilogue_order.h"
#undef NAD_EPILOGUE_FUNCTION

// One channel of one pixel of y.
template <class EpilogueType>
struct EpiloguePart {
  using Math = DoubleMath;
  using F = double;
  static constexpr bool kMaskable = false;
  const EpilogueType& e;
  int64_t n, pixel, c;

  bool is_affine() const { return true; }
  bool has_residual() const { return static_cast<bool>(e.residual); }
  bool has_relu() const { return e.relu; }
  bool has_gate() const { return true; }
  double scale() const { return at(e.scale, c, 1); }
  double shift() const { return at(e.shift, c, 0); }
  double residual() const { return static_cast<double>(e.residual.pixel(pixel)[c]); }
  double relu(double z) const { return reference::relu(z); }
  double gate() const { return gate_value(e.gate, n, c); }
};

// Stores the epilogue of `acc` in y.
template <class EpilogueType, class ViewType>
void finish(const EpilogueType& e, const ViewType& y, int64_t pixel, int64_t c, double acc) {
  const EpiloguePart<EpilogueType> part{e, pixel / (y.shape.h * y.shape.w), pixel, c};
  y.pixel(pixel)[c] = static_cast<Element<ViewType>>(apply_epilogue(part, acc));
}

// (+)=
template <class T>
void put(T& target, double value, Accumulate mode) {
  target = static_cast<T>(mode == Accumulate::add ? static_cast<double>(target) + value : value);
}

inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline double softplus(double x) { return (x > 0 ? x : 0.0) + std::log1p(std::exp(x > 0 ? -x : x)); }

}  // namespace nad::reference
