// The epilogue on one vector of channels. Included by X_loops.h files (per instruction set, no guard).
// residual and gate point to the pixel's and the sample's first channel.
template <class L>
static NAD_INLINE typename L::F apply_epilogue(L, const EpilogueLoop& e, const float* residual, const float* gate,
                                               int64_t c, typename L::F v) {
  if (e.scale) v = v * L::load(e.scale + c) + L::load(e.shift + c);
  if (residual) v += L::load(residual + c);
  if (e.relu) v = L::relu(v);
  if (gate) v *= L::load(gate + c);
  return v;
}
