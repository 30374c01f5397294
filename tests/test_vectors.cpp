// The vector operations of kernels/cpu/lanes.h in every instruction set and width against plain code, bit by bit.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace nad::cpu {

constexpr int kCount = 31;   // with AVX-512 vectors of 16, 4, 4 and 4, and three scalars
constexpr int kPadded = 48;  // room for whole vectors: GCC 12 warns as if they were used
struct VectorOperands {
  float a[kPadded], b[kPadded], c[kPadded], scalar;
  uint8_t bytes[kPadded];
};
struct VectorResults {
  float copied[kPadded], set[kPadded], max[kPadded], relu[kPadded], kept[kPadded], selected[kPadded], sum[kPadded],
      product[kPadded], multiply_add[kPadded], subtract_product[kPadded], sqrt[kPadded], from_bf16[kPadded],
      byte_as_float[kPadded], lane_sum[kPadded];
  uint16_t bf16[kPadded];
  uint8_t bytes[kPadded];
  int width[kPadded];
};

}  // namespace nad::cpu

#define NAD_LOOPS "tests/vector_loops.h"
#include "kernels/cpu/vectorise.h"

using namespace nad::cpu;

namespace {

uint32_t bits(float v) { return std::bit_cast<uint32_t>(v); }
float from_bits(uint32_t b) { return std::bit_cast<float>(b); }

VectorOperands operands() {
  constexpr float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> values = {0.f,
                                     -0.f,
                                     1.f,
                                     -1.f,
                                     inf,
                                     -inf,
                                     nan,
                                     3.14159274f,
                                     -2.5e-3f,
                                     from_bits(0x3f808000),  // halfway between two of bf16: down to the even one
                                     from_bits(0x3f818000),  // and up
                                     from_bits(0x3f808001),  // just above
                                     from_bits(0x7f7fffff),  // the largest: infinity in bf16
                                     from_bits(0x7fffffff),  // NaN of all ones: a carry must not make it a number
                                     from_bits(0xffffffff),
                                     from_bits(0x7f800001)};  // NaN whose ones bf16 cuts off
  VectorOperands in = {};
  for (int i = 0; i < kCount; ++i) {
    const auto at = [&](int k) { return values[static_cast<size_t>(k) % values.size()]; };
    in.a[i] = at(i);
    in.b[i] = at(5 * i + 3);
    in.c[i] = 0.37f * static_cast<float>(i) - 3.f;
    in.bytes[i] = static_cast<uint8_t>(i % 3 == 0 ? 7 : 255 - i);
  }
  in.scalar = -0.f;
  return in;
}

// Sums are folded in halves.
float folded(const float* v, int count) {
  std::array<float, 16> sums{};
  std::copy_n(v, count, sums.begin());
  for (int half = count / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sums[static_cast<size_t>(i)] += sums[static_cast<size_t>(i + half)];
  }
  return sums[0];
}

uint16_t rounded(float v) {
  const uint32_t b = bits(v);
  if (std::isnan(v)) return static_cast<uint16_t>(b >> 16 | 0x40);
  return static_cast<uint16_t>((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

// The same bits; any NaN where one is computed.
void check_value(float value, float expected) {
  CHECK((std::isnan(expected) ? std::isnan(value) : bits(value) == bits(expected)));
}

void check_vectors(void (*operations)(const VectorOperands&, int64_t, VectorResults&), int widest) {
  const VectorOperands in = operands();
  VectorResults out = {};
  operations(in, kCount, out);
  CHECK(out.width[0] == widest);
  CHECK(out.width[kCount - 1] == 1);
  for (int i = 0; i < kCount; ++i) {
    const float a = in.a[i], b = in.b[i], c = in.c[i];
    INFO("widest ", widest, ", value ", i, ": ", a, ", ", b, ", ", c);
    CHECK(bits(out.copied[i]) == bits(a));
    CHECK(bits(out.set[i]) == bits(-0.f));
    CHECK(bits(out.max[i]) == bits(a > b ? a : b));
    CHECK(bits(out.relu[i]) == bits(a < 0 ? 0.f : a));
    CHECK(bits(out.kept[i]) == bits(a > 0 ? b : 0.f));
    CHECK(bits(out.selected[i]) == bits(a > b ? a : c));
    check_value(out.sum[i], a + b);
    check_value(out.product[i], a * b);
    if (out.width[i] > 0 && i + out.width[i] <= kCount)
      CHECK(bits(out.lane_sum[i]) == bits(folded(in.c + i, out.width[i])));
    CHECK(out.bf16[i] == rounded(a));
    CHECK(bits(out.from_bf16[i]) == static_cast<uint32_t>(rounded(a)) << 16);
    CHECK(out.byte_as_float[i] == static_cast<float>(in.bytes[i]));
    CHECK(out.bytes[i] == (in.bytes[i] == 7 ? 200 : in.bytes[i]));
  }
  for (int i = 0; i < kCount - 3; ++i) {  // what the scalar tail does not have, or rounds as the compiler likes
    INFO("widest ", widest, ", value ", i);
    if (widest > 4) check_value(out.multiply_add[i], std::fma(in.a[i], in.b[i], in.c[i]));
    if (widest > 4) check_value(out.subtract_product[i], std::fma(-in.a[i], in.b[i], in.c[i]));
    check_value(out.sqrt[i], std::sqrt(in.b[i]));
  }
}

}  // namespace

TEST_CASE("vector operations") {
  check_vectors(&base::vector_operations, 4);
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  if (best_isa() >= Isa::avx2) check_vectors(&avx2::vector_operations, 8);
  if (best_isa() >= Isa::avx512) check_vectors(&avx512::vector_operations, 16);
#endif
}
