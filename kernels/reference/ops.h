// The reference backend's entries of the op table (engine/ops.h, kernels/learning_ops.h), one per op stem.
#pragma once

#include "kernels/learning_ops.h"

namespace nad::reference {

Kernel plan_conv2d(Planner& planner, const Conv2dArgs& args);
Kernel plan_conv2d_backward(Planner& planner, const Conv2dBackwardArgs& args);
Kernel plan_conv2d_max_pool(Planner& planner, const Conv2dMaxPoolArgs& args);
Kernel plan_conv2d_max_pool_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args);
bool fuses_max_pool(const Planner& planner, const Conv2dParams& params, const PoolParams& pool, const Shape& x,
                    int64_t channels);
Kernel plan_linear(Planner& planner, const LinearArgs& args);
Kernel plan_linear_backward(Planner& planner, const LinearBackwardArgs& args);
Kernel plan_pointwise(Planner& planner, const PointwiseArgs& args);
Kernel plan_pointwise_backward(Planner& planner, const PointwiseBackwardArgs& args);
Kernel plan_gate(Planner& planner, const GateArgs& args);
Kernel plan_epilogue_backward(Planner& planner, const EpilogueBackwardArgs& args);
Kernel plan_max_pool(Planner& planner, const MaxPoolArgs& args);
Kernel plan_max_pool_backward(Planner& planner, const MaxPoolBackwardArgs& args);
Kernel plan_avg_pool(Planner& planner, const AvgPoolArgs& args);
Kernel plan_avg_pool_backward(Planner& planner, const AvgPoolBackwardArgs& args);
Kernel plan_adaptive_pool(Planner& planner, const AdaptivePoolArgs& args);
Kernel plan_adaptive_pool_backward(Planner& planner, const AdaptivePoolBackwardArgs& args);
Kernel plan_batch_norm(Planner& planner, const BatchNormArgs& args);
Kernel plan_classify(Planner& planner, const ClassifyArgs& args);
Kernel plan_softmax_loss(Planner& planner, const SoftmaxLossArgs& args);
Kernel plan_specific_loss(Planner& planner, const SpecificLossArgs& args);
Kernel plan_gate_values(Planner& planner, const GateValuesArgs& args);
Kernel plan_gate_noise(Planner& planner, const GateNoiseArgs& args);
Kernel plan_gate_statistics(Planner& planner, const GateStatisticsArgs& args);
Kernel plan_gate_update(Planner& planner, const GateUpdateArgs& args);
Kernel plan_operating_point(Planner& planner, const OperatingPointArgs& args);
Kernel plan_augment(Planner& planner, const AugmentArgs& args);

}  // namespace nad::reference
