// What happens to a finished sum before it is stored, as every backend's
// kernels take it (engine/ops.h says the same in tensors and parameters):
//
//   z = scale * sum + shift
//   z = 0 where not scale * mask + mask_shift > 0      to the data: the derivative of a prologue's ReLU at mask
//   z += residual                                      or what y held before, where y accumulates
//   y = gate[row of the sample] * (relu ? max(z, 0) : z)
//
// The order is written once, in kernels/epilogue_order.h. A backend adds where y lies and how a number, a vector or
// four floats are loaded and multiplied.
#pragma once

#include <cstdint>

namespace nad {

// Pointer<T> is the backend's pointer to data of T. C: channels of y, N: its samples.
template <template <class> class Pointer>
struct EpilogueFields {
  Pointer<const float> scale{}, shift{};  // [C] or null: 1, 0
  Pointer<const float> residual{};        // y's shape or null; may be y itself
  int64_t residual_stride = 0;            // floats from pixel to pixel
  bool relu = false;
  Pointer<const float> gate{};        // [rows, C] or null
  Pointer<const int32_t> gate_row{};  // [N]
  int64_t gate_stride = 0;            // floats from row to row
};

// A convolution's, forward and to the data.
template <template <class> class Pointer>
struct FinishFields : EpilogueFields<Pointer> {
  Pointer<const float> mask{};        // y's shape or null: the prologue's input
  int64_t mask_stride = 0;            // floats from pixel to pixel
  Pointer<const float> mask_shift{};  // [C] or null: 0
};

template <class T>
using HostPointer = T*;

}  // namespace nad
