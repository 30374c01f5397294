// The detector of instruction sets: known names, unknown ones, and that all who ask get the same answer. CTest runs
// this program once more for every value of NAD_ISA.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdlib>

#include "engine/error.h"
#include "kernels/backends.h"
#include "kernels/cpu/convolution/blocks.h"
#include "kernels/cpu/convolution/by_sample.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/isa.h"

using namespace nad;
using cpu::Isa;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("names of instruction sets") {
  for (Isa isa : {Isa::base, Isa::avx2, Isa::avx512, Isa::amx}) CHECK(cpu::parse_isa(to_string(isa)) == isa);
  for (const char* name : {"", "avx", "AVX2", "avx512 ", "none"}) {
    CAPTURE(name);
    try {
      cpu::parse_isa(name);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::usage);
      CHECK(has(error.what(), std::string("NAD_ISA '") + name + "'"));
      CHECK(has(error.what(), "base, avx2, avx512 or amx"));
    }
  }
}

TEST_CASE("NAD_ISA lowers the choice, for everyone") {
  const Isa best = cpu::best_isa();
  const char* asked = std::getenv("NAD_ISA");
  if (asked != nullptr) {
    CHECK(best <= cpu::parse_isa(asked));
    if (cpu::isa_is_lowered()) CHECK(best == cpu::parse_isa(asked));
  } else {
    CHECK(!cpu::isa_is_lowered());
  }
  // The convolutions.
  CHECK((cpu::conv_isa(false) == nullptr) == (best == Isa::base));
  if (best == Isa::avx2) CHECK(cpu::conv_isa(false)->lane_bits == 3);
  if (best >= Isa::avx512) CHECK(cpu::conv_isa(false)->lane_bits == 4);
  if (best < Isa::avx512) CHECK(!cpu::bf16_products());
  if (best < Isa::avx512) CHECK(!cpu::sample_convolution_has_bf16());
  CHECK(cpu::integer_products() == (best == Isa::avx2 || (best == Isa::avx512 && cpu::narrow_products())));
  // The banner.
  for (const char* device : {"cpu", "reference"}) {
    const std::string text = make_backend(device)->description();
    CAPTURE(text);
    CHECK(has(text, "no AVX2") == (best == Isa::base));
    CHECK(has(text, "AVX-512") == (best >= Isa::avx512));
    CHECK(has(text, "AMX") == (best == Isa::amx));
    CHECK(has(text, "(NAD_ISA=") == cpu::isa_is_lowered());
  }
}
