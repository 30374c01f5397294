// The CPU backend's tables. What touches only gates and logits (a few thousand numbers) is the reference's.
#include "kernels/cpu/ops.h"

#include "kernels/backends.h"

namespace nad {

static OpTable make_cpu_ops() {
  OpTable ops = reference_ops();
  ops.conv2d = cpu::conv2d;
  ops.conv2d_backward = cpu::conv2d_backward;
  ops.conv2d_max_pool = cpu::conv2d_max_pool;
  ops.conv2d_max_pool_backward = cpu::conv2d_max_pool_backward;
  ops.fuses_max_pool = cpu::fuses_max_pool;
  ops.linear = cpu::linear;
  ops.linear_backward = cpu::linear_backward;
  ops.pointwise = cpu::pointwise;
  ops.pointwise_backward = cpu::pointwise_backward;
  ops.gate = cpu::gate;
  ops.epilogue_backward = cpu::epilogue_backward;
  ops.max_pool = cpu::max_pool;
  ops.max_pool_backward = cpu::max_pool_backward;
  ops.avg_pool = cpu::avg_pool;
  ops.avg_pool_backward = cpu::avg_pool_backward;
  ops.adaptive_pool = cpu::adaptive_pool;
  ops.adaptive_pool_backward = cpu::adaptive_pool_backward;
  ops.batch_norm = cpu::batch_norm;
  ops.conv2d_sums_taps = false;  // epilogue_backward reads both halves of y anyway
  return ops;
}

static LearningOps make_cpu_learning_ops() {
  LearningOps ops = reference_learning_ops();  // classify, the losses, gate_values, gate_noise, gate_update,
  // augment (of images: worker threads prepare them ahead of the step, nad/images/loader.h) stay
  ops.gate_statistics = cpu::gate_statistics;
  return ops;
}

const OpTable& cpu_ops() {
  static const OpTable ops = make_cpu_ops();
  return ops;
}

const LearningOps& cpu_learning_ops() {
  static const LearningOps ops = make_cpu_learning_ops();
  return ops;
}

}  // namespace nad
