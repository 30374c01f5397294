// The gates of a planned network as their users see them: names, channels, and the check that given gates fit.
#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"
#include "nad/gates/gate_vectors.h"

namespace nad {

std::vector<int64_t> gate_channels(const Plan& plan);

// Throws Error(data) naming the first gate that does not fit. what: "logits", "multipliers".
void check_gates(const Plan& plan, const GateVectors& gates, const std::string& what);

}  // namespace nad
