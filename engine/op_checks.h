// What every backend checks of an op's arguments while planning: shapes that belong together, the sizes of the
// parameters, and that nothing needed is missing. Each throws Error(device) that names the op and the shapes.
// What only one backend cannot do is for that backend to say.
#pragma once

#include "engine/ops.h"

namespace nad {

void check_args(const Conv2dArgs& args);
void check_args(const Conv2dBackwardArgs& args);
void check_args(const Conv2dMaxPoolArgs& args);
void check_args(const Conv2dMaxPoolBackwardArgs& args);
void check_args(const LinearArgs& args);
void check_args(const LinearBackwardArgs& args);
void check_args(const PointwiseArgs& args);
void check_args(const PointwiseBackwardArgs& args);
void check_args(const GateArgs& args);
void check_args(const EpilogueBackwardArgs& args);
void check_args(const MaxPoolArgs& args);
void check_args(const MaxPoolBackwardArgs& args);
void check_args(const AvgPoolArgs& args);
void check_args(const AvgPoolBackwardArgs& args);
void check_args(const AdaptivePoolArgs& args);
void check_args(const AdaptivePoolBackwardArgs& args);
void check_args(const BatchNormArgs& args);
void check_args(const BatchNormBackwardArgs& args);
void check_args(const ClassifyArgs& args);
void check_args(const SoftmaxLossArgs& args);
void check_args(const GateValuesArgs& args);
void check_args(const GateNoiseArgs& args);
void check_args(const GateStatisticsArgs& args);
void check_args(const GateUpdateArgs& args);
void check_args(const AugmentArgs& args);

}  // namespace nad
