// The forward pass of gated networks on the CUDA backend. The rest: test_gated_forward.cpp.
#include "tests/cuda_main.h"
#include "tests/gated_forward_check.h"

using namespace nad;

TEST_CASE("logits are those of a learning plan's forward pass, byte for byte") {
  for (const char* name : {"resnet50_small", "darts_small"}) {
    CAPTURE(name);
    test::check_against_learning_plan(test::network_of(name), "cuda");
  }
}
