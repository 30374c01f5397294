// --profile: what a step costs, kernel by kernel.
#pragma once

#include <iosfwd>
#include <vector>

#include "nad/run/run_state.h"

namespace nad {

// Puts the first class that has images into every slot, takes a step and times the kernels of `repeats` more: the
// medians. Throws Error(data) where no class has images.
std::vector<Learner::Timing> profile(const RunSetup& setup, RunState& state, Progress& progress, int repeats);

// Every kernel of a step with its time, then the sums per op.
void write_profile(const std::vector<Learner::Timing>& timings, std::ostream& out);

}  // namespace nad
