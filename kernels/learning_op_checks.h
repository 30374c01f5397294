// What every backend checks of the arguments of the gate-learning ops while planning (engine/op_checks.h does it for
// the engine's). Each throws Error(device) that names the op and the shapes.
#pragma once

#include "engine/op_checks.h"
#include "kernels/learning_ops.h"

namespace nad {

void check_args(const ClassifyArgs& args);
void check_args(const SoftmaxLossArgs& args);
void check_args(const SpecificLossArgs& args);
void check_args(const GateValuesArgs& args);
void check_args(const GateNoiseArgs& args);
void check_args(const GateStatisticsArgs& args);
void check_args(const GateUpdateArgs& args);
void check_args(const OperatingPointArgs& args);
void check_args(const AugmentArgs& args);

}  // namespace nad
