// The order of operations of an epilogue (kernels/epilogue.h). Included inside the namespace of each backend, and on
// the CPU of each instruction set, hence no guard; NAD_EPILOGUE_FUNCTION says how its functions are declared.
//
// A Part is one place of y, a channel or several side by side. It has its operands as values of Part::F, their
// arithmetic as Part::Math, and says which of them there are; Part::kMaskable: whether there can be a mask.
// multiply_add(a, b, c) = a * b + c, rounded once where the processor can.
template <class Part>
NAD_EPILOGUE_FUNCTION typename Part::F apply_epilogue(const Part& part, typename Part::F z) {
  using Math = typename Part::Math;
  if (part.is_affine()) z = Math::multiply_add(part.scale(), z, part.shift());
  if constexpr (Part::kMaskable) {
    if (part.has_mask()) {
      z = Math::keep_where_positive(Math::multiply_add(part.mask_scale(), part.mask(), part.mask_shift()), z);
    }
  }
  if (part.has_residual()) z = Math::add(z, part.residual());
  if (part.has_relu()) z = part.relu(z);  // NaN stays NaN
  if (part.has_gate()) z = Math::multiply(z, part.gate());
  return z;
}
