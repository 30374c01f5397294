// The vector and the tile of the bf16 convolutions on processors with AMX: vectors of AVX-512 around matrix tiles.
#pragma once

#include "kernels/cpu/convolution/vector_avx512_ops.h"
//
#include "kernels/cpu/convolution/tile_amx.h"

#define NAD_VECTOR amx

namespace nad::cpu {
namespace {

struct Value {  // bf16
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroup = 2 * kAmxPairs;
  static void put(char* p, Vector v) { store_bf16(p, v); }
  static void put(char* p, Vector first, Vector second) { store_bf16(p, first, second); }
};

}  // namespace
}  // namespace nad::cpu
