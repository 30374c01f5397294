// The backends' entries for BatchNorm with the batch's statistics (engine/batch_norm.h).
#pragma once

#include "engine/batch_norm.h"

namespace nad::reference {
Kernel plan_batch_norm(Planner& planner, const BatchNormArgs& args);
Kernel plan_batch_norm_backward(Planner& planner, const BatchNormBackwardArgs& args);
}  // namespace nad::reference

namespace nad::cuda {
Kernel plan_batch_norm(Planner& planner, const BatchNormArgs& args);
Kernel plan_batch_norm_backward(Planner& planner, const BatchNormBackwardArgs& args);
}  // namespace nad::cuda
