// Every rung of bench/ladder against the reference: within an error bound, and exactly on small integers.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "bench/ladder/ladder.h"
#include "engine/error.h"
#include "kernels/backends.h"
#include "tests/problems.h"

using namespace nad;
using namespace nad::test;

namespace {

// Whole tiles and parts of them in both directions, one pixel, one channel.
std::vector<ConvCase> cases() {
  return {{1, 1, 1, 1, 1, square(3, 1, 1)},        {2, 6, 12, 16, 32, square(3, 1, 1)},
          {1, 7, 13, 5, 17, square(3, 1, 1)},      {2, 3, 5, 33, 3, square(3, 1, 1)},
          {1, 2, 6, 64, 16, square(3, 1, 1)},      {1, 9, 4, 3, 40, square(3, 1, 1)},
          {1, 5, 7, 8, 19, square(3, 1, 1), kSlab}};
}

}  // namespace

TEST_CASE("every rung computes the convolution") {
  Context reference(make_backend("reference")), cpu(make_backend("cpu"));
  int ran = 0;
  for (const ladder::Rung& rung : ladder::rungs()) {
    if (!rung.runs) continue;
    OpTable table = cpu_ops();
    table.conv2d = rung.plan;
    for (Data data : {Data::random, Data::exact}) {
      for (const ConvCase& c : cases()) {
        const Problem p = conv_problem(c, data);
        const auto expected = run(p, reference, reference_ops());
        const auto bounds = run(absolute(p), reference, reference_ops(), true);
        const auto actual = run(p, cpu, table);
        Tolerance t;
        t.bound = (4 + std::sqrt(static_cast<double>(p.terms))) * 0x1p-23;
        t.exact = data == Data::exact;
        double worst = 0;
        const std::string close = check_close(p, expected, bounds, actual, t, worst);
        const std::string outside = check_untouched(p, actual);
        CHECK_MESSAGE(close.empty(), rung.name, ": ", p.text(), ": ", close);
        CHECK_MESSAGE(outside.empty(), rung.name, ": ", p.text(), ": ", outside);
        ++ran;
      }
    }
  }
  CHECK(ran >= 3 * 14);
}

TEST_CASE("a rung refuses what it does not compute") {
  Context cpu(make_backend("cpu"));
  for (const ConvCase& c : {ConvCase{1, 5, 5, 8, 8, square(3, 2, 1)}, ConvCase{1, 5, 5, 8, 8, square(1, 1, 0)},
                            ConvCase{1, 5, 5, 8, 8, square(3, 1, 1), kRelu}}) {
    for (const ladder::Rung& rung : ladder::rungs()) {
      OpTable table = cpu_ops();
      table.conv2d = rung.plan;
      CHECK_THROWS_AS(run(conv_problem(c, Data::random), cpu, table), Error);
    }
  }
}
