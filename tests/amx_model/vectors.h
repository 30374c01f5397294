// Vectors of 16 floats with the names of kernels/cpu/convolution/vector_avx512_ops.h,
// for every processor, around modelled tiles.
#pragma once

#include "tests/amx_model/tiles.h"
//
#include "kernels/cpu/convolution/tile_amx.h"

#define NAD_VECTOR amx_model

namespace nad::cpu {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kPanel = 2 * kLanes;

struct Vector {
  float lane[kLanes];
};
using Mask = uint16_t;

inline Mask tail_mask(int64_t count) { return static_cast<Mask>(count >= 16 ? 0xffff : (1u << count) - 1); }
inline Mask whole_mask() { return 0xffff; }
inline bool is_whole(Mask mask) { return mask == 0xffff; }

template <class Function>
Vector each(const Function& function) {
  Vector v;
  for (int i = 0; i < kLanes; ++i) v.lane[i] = function(i);
  return v;
}
inline Vector zeros() { return {}; }
inline Vector set(float s) {
  return each([&](int) { return s; });
}
inline Vector load(const float* p) {
  return each([&](int i) { return p[i]; });
}
inline Vector load(Mask mask, const float* p) {
  return each([&](int i) { return mask >> i & 1 ? p[i] : 0.0f; });
}
inline void store(float* p, const Vector& v) {
  for (int i = 0; i < kLanes; ++i) p[i] = v.lane[i];
}
inline void store(float* p, Mask mask, const Vector& v) {
  for (int i = 0; i < kLanes; ++i) {
    if (mask >> i & 1) p[i] = v.lane[i];
  }
}
inline void stream(float* p, const Vector& v) { store(p, 0xffff, v); }
inline Vector add(const Vector& a, const Vector& b) {
  return each([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Vector mul(const Vector& a, const Vector& b) {
  return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Vector max(const Vector& a, const Vector& b) {
  return each([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Vector fma(const Vector& a, const Vector& b, const Vector& c) {
  return each([&](int i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
}
inline Vector keep_where_positive(const Vector& test, const Vector& v) {
  return each([&](int i) { return test.lane[i] > 0 ? v.lane[i] : 0.0f; });
}

struct Value {  // as vcvtneps2bf16
  static constexpr int64_t kBytes = 2;
  static constexpr int64_t kGroup = 2 * kAmxPairs;
  static void put(char* p, const Vector& v) {
    for (int i = 0; i < kLanes; ++i) {
      const auto bits = std::bit_cast<uint32_t>(amx_model::flushed(v.lane[i]));
      const auto narrow =
          static_cast<uint16_t>(std::isnan(v.lane[i]) ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
      std::memcpy(p + 2 * i, &narrow, sizeof narrow);
    }
  }
  static void put(char* p, const Vector& first, const Vector& second) {
    put(p, first);
    put(p + kLanes * kBytes, second);
  }
};

}  // namespace

namespace amx_model {
GemmTileFunction gemm_tile_fp32(int64_t rows, int64_t width);  // there is none, and nobody calls it
GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width);
}  // namespace amx_model

}  // namespace nad::cpu
