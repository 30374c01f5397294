// Every rung of bench/ladder on a GPU against the reference: within an error bound, exactly on small integers, and with
// the same bytes in any order of lanes and blocks.
#include "bench/ladder/cuda_rungs.h"
#include "tests/cuda_main.h"
#include "tests/ladder_check.h"

using namespace nad;
using namespace nad::test;

namespace {

// More than one tile of 128 pixels by 64 outputs, and of 32 channels, none of them full.
const ConvCase kTiles = {1, 12, 13, 37, 70, square(3, 1, 1)};

}  // namespace

TEST_CASE("every rung computes the convolution") {
  Context device(make_backend("cuda"));
  std::vector<ConvCase> cases = ladder_cases();
  cases.push_back(kTiles);
  CHECK(check_rungs(ladder::cuda_rungs(), device, cases) == 3 * 16);
}

TEST_CASE("a rung refuses what it does not compute") {
  Context device(make_backend("cuda"));
  check_refusals(ladder::cuda_rungs(), device);
}

TEST_CASE("the same bytes in any order of lanes and blocks") {
  Context device(make_backend("cuda"));
  const Problem p = conv_problem(kTiles, Data::random);
  for (const ladder::Rung& rung : ladder::cuda_rungs()) {
    const auto first = run(p, device, with_rung(rung));
    host_cuda::settings().lanes = host_cuda::Order::shuffled;
    host_cuda::settings().blocks = host_cuda::Order::descending;
    const auto again = run(p, device, with_rung(rung));
    host_cuda::reset();
    CHECK_MESSAGE(check_same_bytes(first, again) == "", rung.name);
  }
}
