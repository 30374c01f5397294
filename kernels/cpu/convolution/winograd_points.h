// The constants of F(4x4, 3x3), see winograd_block.h.
#pragma once

namespace nad::cpu {

// Interpolation points: 0, +-A, +-B, infinity.
inline constexpr float kWinogradA = 0.75f, kWinogradB = 1.5f;

// Integer products: Euclidean norms of a row of channels of the transformed input and
// of a column of the transformed weights, whose values have to fit 16 bits. Their
// product, with half a unit of rounding for each of up to 512 values, is below 2^31.
inline constexpr float kWinogradInputNorm = 32700, kWinogradWeightNorm = 65000, kWinogradMost = 32700;

}  // namespace nad::cpu
