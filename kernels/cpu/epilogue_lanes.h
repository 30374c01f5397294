// The epilogue, and a prologue's derivative, on one vector of channels.
// Included by X_loops.h files (per instruction set, no guard).
#define NAD_EPILOGUE_FUNCTION static NAD_INLINE
#include "kernels/epilogue_order.h"
#undef NAD_EPILOGUE_FUNCTION

// L::width channels from c on. residual_at and gate_at: the pixel's and the sample's first channel, or null.
template <class L>
struct LanesPart {
  using Math = L;
  using F = typename L::F;
  static constexpr bool kMaskable = false;
  const EpilogueLoop& e;
  const float* residual_at;
  const float* gate_at;
  int64_t c;

  NAD_INLINE bool is_affine() const { return e.scale != nullptr; }
  NAD_INLINE bool has_residual() const { return residual_at != nullptr; }
  NAD_INLINE bool has_relu() const { return e.relu; }
  NAD_INLINE bool has_gate() const { return gate_at != nullptr; }
  NAD_INLINE F scale() const { return L::load(e.scale + c); }
  NAD_INLINE F shift() const { return L::load(e.shift + c); }
  NAD_INLINE F residual() const { return L::load(residual_at + c); }
  NAD_INLINE F relu(F z) const { return L::relu(z); }
  NAD_INLINE F gate() const { return L::load(gate_at + c); }
};

template <class L>
static NAD_INLINE typename L::F apply_epilogue(L, const EpilogueLoop& e, const float* residual, const float* gate,
                                               int64_t c, typename L::F v) {
  return apply_epilogue(LanesPart<L>{e, residual, gate, c}, v);
}

// Of the gradient v at relu(scale * x + shift): the gradient at x. scale: null without scale and shift.
template <class L>
static NAD_INLINE typename L::F prologue_gradient(L, const float* scale, const float* shift, bool relu,
                                                  const float* x, int64_t c, typename L::F v) {
  typename L::F z = L::load(x + c);
  if (scale) {
    z = L::multiply_add(z, L::load(scale + c), L::load(shift + c));
    v *= L::load(scale + c);
  }
  return relu ? L::keep_where_positive(z, v) : v;
}
