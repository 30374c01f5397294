// The rungs of bench/ladder against the reference: test_ladder on the CPU, test_cuda_ladder on a GPU or its model.
#pragma once

#include <doctest/doctest.h>

#include "bench/ladder/ladder.h"
#include "engine/error.h"
#include "kernels/backends.h"
#include "tests/problems.h"

namespace nad::test {

// Whole tiles and parts of them in both directions, one pixel, one channel.
inline std::vector<ConvCase> ladder_cases() {
  return {{1, 1, 1, 1, 1, square(3, 1, 1)},        {2, 6, 12, 16, 32, square(3, 1, 1)},
          {1, 7, 13, 5, 17, square(3, 1, 1)},      {2, 3, 5, 33, 3, square(3, 1, 1)},
          {1, 2, 6, 64, 16, square(3, 1, 1)},      {1, 9, 4, 3, 40, square(3, 1, 1)},
          {1, 5, 7, 8, 19, square(3, 1, 1), kSlab}};
}

inline OpTable with_rung(const ladder::Rung& rung) {
  OpTable table = reference_ops();
  table.conv2d = rung.plan;
  return table;
}

// Every rung that runs here, on random values within an error bound and exactly on small integers. Returns how many
// comparisons there were.
inline int check_rungs(const std::vector<ladder::Rung>& rungs, Context& context, const std::vector<ConvCase>& cases) {
  Context reference(make_backend("reference"));
  int ran = 0;
  for (const ConvCase& c : cases) {
    for (Data data : {Data::random, Data::exact}) {
      const Problem p = conv_problem(c, data);
      const auto expected = run(p, reference, reference_ops());
      const auto bounds = run(absolute(p), reference, reference_ops(), true);
      for (const ladder::Rung& rung : rungs) {
        if (!rung.runs) continue;
        const auto actual = run(p, context, with_rung(rung));
        Tolerance t;
        t.bound = (4 + std::sqrt(static_cast<double>(p.terms))) * 0x1p-23;
        if (rung.products == Precision::bf16) t.bound += 0x1.02p-7;  // two operands, each off by at most 2^-8
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
  return ran;
}

// A stride, another kernel, an epilogue: none of the rungs takes them.
inline void check_refusals(const std::vector<ladder::Rung>& rungs, Context& context) {
  for (const ConvCase& c : {ConvCase{1, 5, 5, 8, 8, square(3, 2, 1)}, ConvCase{1, 5, 5, 8, 8, square(1, 1, 0)},
                            ConvCase{1, 5, 5, 8, 8, square(3, 1, 1), kRelu}}) {
    for (const ladder::Rung& rung : rungs) {
      CHECK_THROWS_AS(run(conv_problem(c, Data::random), context, with_rung(rung)), Error);
    }
  }
}

}  // namespace nad::test
