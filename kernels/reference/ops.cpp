#include "kernels/reference/ops.h"

#include "kernels/backends.h"

namespace nad {

const OpTable& reference_ops() {
  using namespace reference;
  static const OpTable table = {
      .conv2d = plan_conv2d,
      .conv2d_backward = plan_conv2d_backward,
      .linear = plan_linear,
      .linear_backward = plan_linear_backward,
      .pointwise = plan_pointwise,
      .pointwise_backward = plan_pointwise_backward,
      .gate = plan_gate,
      .epilogue_backward = plan_epilogue_backward,
      .max_pool = plan_max_pool,
      .max_pool_backward = plan_max_pool_backward,
      .avg_pool = plan_avg_pool,
      .avg_pool_backward = plan_avg_pool_backward,
      .adaptive_pool = plan_adaptive_pool,
      .adaptive_pool_backward = plan_adaptive_pool_backward,
      .batch_norm = plan_batch_norm,
      .conv2d_max_pool = plan_conv2d_max_pool,
      .conv2d_max_pool_backward = plan_conv2d_max_pool_backward,
      .conv2d_sums_taps = true,
      .fuses_max_pool = fuses_max_pool,
  };
  return table;
}

const LearningOps& reference_learning_ops() {
  using namespace reference;
  static const LearningOps table = {
      .classify = plan_classify,
      .softmax_loss = plan_softmax_loss,
      .specific_loss = plan_specific_loss,
      .gate_values = plan_gate_values,
      .gate_noise = plan_gate_noise,
      .gate_statistics = plan_gate_statistics,
      .gate_update = plan_gate_update,
      .operating_point = plan_operating_point,
      .augment = plan_augment,
  };
  return table;
}

}  // namespace nad
