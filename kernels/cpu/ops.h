// The entries of the CPU backend's op tables (kernels/cpu/ops.cpp). The same stem is the same op in every backend.
#pragma once

#include "kernels/learning_ops.h"

namespace nad::cpu {

Kernel conv2d(Planner& planner, const Conv2dArgs& args);
Kernel conv2d_backward(Planner& planner, const Conv2dBackwardArgs& args);
Kernel conv2d_max_pool(Planner& planner, const Conv2dMaxPoolArgs& args);
Kernel conv2d_max_pool_backward(Planner& planner, const Conv2dMaxPoolBackwardArgs& args);
bool fuses_max_pool(const Planner& planner, const Conv2dParams& params, const PoolParams& pool, const Shape& x,
                    int64_t channels);
Kernel linear(Planner& planner, const LinearArgs& args);
Kernel linear_backward(Planner& planner, const LinearBackwardArgs& args);
Kernel pointwise(Planner& planner, const PointwiseArgs& args);
Kernel pointwise_backward(Planner& planner, const PointwiseBackwardArgs& args);
Kernel gate(Planner& planner, const GateArgs& args);
Kernel epilogue_backward(Planner& planner, const EpilogueBackwardArgs& args);
Kernel max_pool(Planner& planner, const MaxPoolArgs& args);
Kernel max_pool_backward(Planner& planner, const MaxPoolBackwardArgs& args);
Kernel avg_pool(Planner& planner, const AvgPoolArgs& args);
Kernel avg_pool_backward(Planner& planner, const AvgPoolBackwardArgs& args);
Kernel adaptive_pool(Planner& planner, const AdaptivePoolArgs& args);
Kernel adaptive_pool_backward(Planner& planner, const AdaptivePoolBackwardArgs& args);
Kernel batch_norm(Planner& planner, const BatchNormArgs& args);
Kernel gate_statistics(Planner& planner, const GateStatisticsArgs& args);

}  // namespace nad::cpu
