// Every rung of bench/ladder on the CPU against the reference: within an error bound, and exactly on small integers.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "tests/ladder_check.h"

using namespace nad;
using namespace nad::test;

TEST_CASE("every rung computes the convolution") {
  Context cpu(make_backend("cpu"));
  CHECK(check_rungs(ladder::rungs(), cpu, ladder_cases()) >= 3 * 14);
}

TEST_CASE("a rung refuses what it does not compute") {
  Context cpu(make_backend("cpu"));
  check_refusals(ladder::rungs(), cpu);
}
