// The source of a convolution or product as libraries want
// it: dense, after the prologue, in the type of the products.
#pragma once

#include "kernels/cuda/convolution.h"

namespace nad::cuda {

// packed[pixel, c] = T(prologue(source[pixel, c])) of shape's pixels and source.channels; T is bf16 or float.
// Moves 4 + sizeof(T) bytes per element: bound by memory.
void launch_pack(const Source& source, const Shape& shape, bool as_bf16, std::byte* packed, cudaStream_t stream);

}  // namespace nad::cuda
