// The interpolation points of F(4x4, 3x3): 0, +-A, +-B, infinity (see conv2d_winograd_block.h).
#pragma once

namespace nad::cpu {

inline constexpr float kWinogradA = 0.75f, kWinogradB = 1.5f;

}  // namespace nad::cpu
