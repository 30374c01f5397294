// A processor with AMX, made of plain code: in a program that has this file the convolutions in bf16 are those of
// AMX, planning and all, on modelled tiles. It takes the place of kernels/cpu/convolution/instruction_sets.cpp.
#include <doctest/doctest.h>

#include "tests/amx_model/vectors.h"
//
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/convolution/gemm_block.h"
#include "tests/problems.h"
#include "tests/variants.h"

namespace nad::cpu {
namespace amx_model {

GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width) { return gemm_tile_amx_of(rows, width); }

}  // namespace amx_model

const ConvIsa* conv_isa(bool bf16) {
  static constexpr ConvIsa kTiles = {4, kAmxBlocking, amx_model::gemm_block, amx_model::gemm_scratch, {}};
  return bf16 ? &kTiles : nullptr;
}

bool bf16_products() { return true; }
bool integer_products() { return false; }

}  // namespace nad::cpu

using namespace nad;

TEST_CASE("convolutions in bf16, and no others, multiply tiles") {
  const test::Problem p = test::conv_problem({2, 8, 8, 16, 16, test::square(3, 1, 1)}, test::Data::random);
  for (Precision precision : {Precision::fp32, Precision::bf16}) {
    Context context(make_backend("cpu"), precision);
    const int64_t before = amx_model::products;
    run(p, context, cpu_ops());
    CHECK((amx_model::products > before) == (precision == Precision::bf16));
  }
}
