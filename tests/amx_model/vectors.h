// What kernels/cpu/convolution/vector_amx.h says, for every processor, around modelled tiles.
#pragma once

#include "tests/amx_model/tiles.h"
//
#include "kernels/cpu/convolution/tile_amx.h"

#define NAD_LANES 16
#define NAD_PORTABLE_LANES
#include "kernels/cpu/convolution/vector.h"

#define NAD_VECTOR amx_model

namespace nad::cpu {
namespace {

using Value = Bf16Value<2 * kAmxPairs>;

}  // namespace

namespace amx_model {
GemmTileFunction gemm_tile_fp32(int64_t rows, int64_t width);  // there is none, and nobody calls it
GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width);
}  // namespace amx_model

}  // namespace nad::cpu
