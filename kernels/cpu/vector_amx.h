// The vector and the tile of the bf16 convolutions on processors with AMX: vectors of AVX-512 around matrix tiles.
#pragma once

#include "kernels/cpu/vector_avx512_ops.h"
//
#include "kernels/cpu/gemm_tile_amx.h"

#define NAD_VECTOR amx

namespace nad::cpu {
namespace {

struct NarrowValue {
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroup = 2 * kAmxPairs;
  static void put(char* p, Mask mask, Vector v) {
    const __m256bh narrow = _mm512_cvtneps_pbh(v);
    __m256i bits;
    __builtin_memcpy(&bits, &narrow, sizeof bits);
    _mm256_mask_storeu_epi16(p, mask, bits);
  }
};

}  // namespace
}  // namespace nad::cpu
