#include "bench/library_alone.h"
#include "kernels/cuda/conv2d.h"

namespace nad::bench {

OpTable with_library_alone(OpTable table) {
  table.conv2d = [](Planner& planner, const Conv2dArgs& args) {
    return cuda::conv2d_cudnn(planner, cuda::describe(planner, args), true);
  };
  table.conv2d_backward = [](Planner& planner, const Conv2dBackwardArgs& args) {
    return cuda::conv2d_cudnn(planner, cuda::describe(planner, args), true);
  };
  return table;
}

}  // namespace nad::bench
