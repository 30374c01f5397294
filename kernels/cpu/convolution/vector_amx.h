// The vector and the tile of the bf16 convolutions on processors with AMX: vectors of AVX-512 around matrix tiles.
#pragma once

#define NAD_LANES 16
#include "kernels/cpu/convolution/vector.h"
//
#include "kernels/cpu/convolution/tile_amx.h"

#define NAD_VECTOR amx

namespace nad::cpu {
namespace {

using Value = Bf16Value<2 * kAmxPairs>;

}  // namespace
}  // namespace nad::cpu
