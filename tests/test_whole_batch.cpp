// K is the whole batch (docs/METHOD.md, 5a.6): where hardly an image is right, as with random weights.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <cstring>

#include "tests/whole_batch_check.h"

using namespace nad;
using namespace nad::test;

namespace {

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("replays of the released objective equal PyTorch's") {
  for (const std::string& backend : backend_names()) {
    for (const char* name :
         {"vgg16_small", "resnet50_small", "resnet50_narrow", "densenet121_small", "darts_small", "darts_cifar"}) {
      check_whole_batch_replay(backend, name);
    }
  }
}

TEST_CASE("steps of specific gates equal PyTorch's") {
  for (const std::string& backend : backend_names()) {
    for (const char* name : kSpecificNetworks) {
      for (const SpecificTarget target : kTargets) check_whole_batch_specific(backend, name, target);
    }
  }
}

TEST_CASE("the paper's objectives go over the whole batch in any case") {
  for (const Objective objective : {Objective::paper, Objective::variational}) {
    const ReplayResult without = replay_whole_batch("cpu", "resnet50_narrow", objective, false),
                       with = replay_whole_batch("cpu", "resnet50_narrow", objective, true);
    CHECK(same_bytes(without.losses, with.losses));
    for (size_t i = 0; i < with.gates_final.size(); ++i) {
      CHECK(same_bytes(without.gates_final[i], with.gates_final[i]));
    }
  }
}
