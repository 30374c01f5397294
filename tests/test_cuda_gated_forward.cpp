// The forward pass of gated networks on the CUDA backend, and the measuring of BatchNorm. The rest:
// test_gated_forward.cpp, test_random_network.cpp.
#include "tests/cuda_main.h"
#include "tests/gated_forward_check.h"
#include "tests/random_network_check.h"

using namespace nad;

TEST_CASE("logits are those of a learning plan's forward pass, byte for byte") {
  for (const char* name : {"resnet50_small", "darts_small"}) {
    CAPTURE(name);
    test::check_against_learning_plan(test::network_of(name), "cuda");
  }
}

TEST_CASE("measured statistics and the finished network's logits equal PyTorch's") {
  for (const char* name : {"densenet121_small", "darts_cifar"}) test::check_random_network(name, "cuda");
}
