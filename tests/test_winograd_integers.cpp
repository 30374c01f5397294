// Winograd's products in 16-bit integers, which convolutions take in bf16 where the processor multiplies them fast
// (kernels/cpu/convolution/winograd_block.h): their error, and what becomes of numbers that integers do not know.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/problems.h"
#include "tests/variants.h"

using namespace nad;
using namespace nad::test;

namespace {

bool integers() {
  if (!cpu::integer_products()) MESSAGE("not multiplied in integers on this processor: nothing to test");
  return cpu::integer_products();
}

Array output_of(const Problem& p, Precision precision, const OpTable& table) {
  Context context(make_backend(precision == Precision::fp32 ? "reference" : "cpu"), precision);
  const auto arrays = run(p, context, precision == Precision::fp32 ? reference_ops() : table);
  REQUIRE(!arrays.empty());
  for (const Array& a : arrays) {
    if (a.output) return a;
  }
  return {};
}

// ||got - want|| / ||want||
double distance(const Array& got, const Array& want) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    error += std::pow(got.number(i) - want.number(i), 2);
    norm += std::pow(want.number(i), 2);
  }
  return std::sqrt(error / norm);
}

const OpTable& winograd() {
  static const OpTable table = forced<cpu::ConvAlgorithm::winograd>("winograd", Precision::bf16).table;
  return table;
}
const OpTable& direct() {
  static const OpTable table = forced<cpu::ConvAlgorithm::gemm>("gemm", Precision::bf16).table;
  return table;
}

// 12 x 12 pixels in tiles of 4 x 4 outputs, each of which reads 6 x 6 pixels.
constexpr int64_t kSide = 12;
ConvCase square_case(int64_t in, int64_t out) { return {1, kSide, kSide, in, out, square(3, 1, 1), kShift}; }

}  // namespace

TEST_CASE("the error is smaller than that of direct products in bf16") {
  if (!integers()) return;
  for (const auto& [in, out] : {std::pair<int64_t, int64_t>{32, 32}, {64, 96}, {256, 64}, {512, 128}, {1100, 64}}) {
    for (const auto problem : {conv_problem, conv_backward_problem}) {
      ConvCase c = square_case(in, out);
      c.n = 2;
      const Problem p = problem(c, Data::random);
      const Array want = output_of(p, Precision::fp32, reference_ops());
      const double scaled = distance(output_of(p, Precision::bf16, winograd()), want);
      // Without bf16 units the direct way multiplies in fp32; with them its error is this, whatever the channels.
      const double rounded = cpu::bf16_products() ? distance(output_of(p, Precision::bf16, direct()), want) : 0.0021;
      MESSAGE(p.name << ": integers " << scaled << ", bf16 " << rounded);
      CHECK(scaled < (in <= 512 ? 0.75 : 1) * rounded);  // the norm of a longer row leaves each value fewer bits
      CHECK(scaled > 1e-6);                              // else these were fp32 products
    }
  }
}

TEST_CASE("rows of very different size are scaled each by itself") {
  if (!integers()) return;
  Problem p = conv_problem(square_case(64, 64), Data::random);
  Array& x = p.arrays[0];
  for (int64_t i = 0; i < x.count(); ++i) {  // the left half of the image is a million times larger than the right
    if (i / x.shape.c % kSide < kSide / 2) x.set(i, x.get<float>(i) * 1e6f);
  }
  const Array want = output_of(p, Precision::fp32, reference_ops());
  const Array got = output_of(p, Precision::bf16, winograd());
  double error = 0, norm = 0;  // of the last tile of every row, which reads no large pixel
  for (int64_t i = 0; i < want.count(); ++i) {
    if (i / want.shape.c % kSide < 8) continue;
    error += std::pow(got.number(i) - want.number(i), 2);
    norm += std::pow(want.number(i), 2);
  }
  CHECK(std::sqrt(error / norm) < 2e-3);
}

TEST_CASE("one large channel costs the others no more than the row's norm says") {
  if (!integers()) return;
  Problem p = conv_problem(square_case(64, 64), Data::random);
  Array& x = p.arrays[0];
  for (int64_t i = 0; i < x.count(); i += x.shape.c) x.set(i, 100.0f);
  const double error =
      distance(output_of(p, Precision::bf16, winograd()), output_of(p, Precision::fp32, reference_ops()));
  CHECK(error < 2e-3);
}

TEST_CASE("the largest sums fit: all values alike, so that every product has the same sign") {
  if (!integers()) return;
  for (int64_t channels : {64, 512, 1024}) {
    Problem p = conv_problem(square_case(channels, 32), Data::random);
    for (int64_t i = 0; i < p.arrays[0].count(); ++i) p.arrays[0].set(i, 3.0f);
    auto weight = std::make_shared<HostTensor>(*p.params[0]);
    for (float& w : weight->data) w = 0.5f;
    p.params[0] = weight;
    CHECK(distance(output_of(p, Precision::bf16, winograd()), output_of(p, Precision::fp32, reference_ops())) < 5e-4);
  }
}

TEST_CASE("zeros stay zeros, and what is not finite stays so in its own tile") {
  if (!integers()) return;
  Problem p = conv_problem({1, kSide, kSide, 64, 64, square(3, 1, 1), 0}, Data::random);
  Array& x = p.arrays[0];
  for (int64_t i = 0; i < x.count(); ++i) {
    if (i / x.shape.c % kSide < 7) x.set(i, 0.0f);
  }
  const Array zero = output_of(p, Precision::bf16, winograd());
  for (int64_t i = 0; i < zero.count(); ++i) {
    if (i / zero.shape.c % kSide < 4) CHECK(zero.number(i) == 0);
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 3e38f}) {
    CAPTURE(bad);
    x.set(0, bad);  // the first pixel
    const Array got = output_of(p, Precision::bf16, winograd());
    bool seen = false;
    for (int64_t i = 0; i < got.count(); ++i) {
      const int64_t row = i / got.shape.c / kSide, column = i / got.shape.c % kSide;
      if (row < 2 && column < 2) seen = seen || !std::isfinite(got.number(i));
      if (row >= 4 || column >= 4) CHECK(std::isfinite(got.number(i)));
    }
    CHECK(seen);
  }
}
