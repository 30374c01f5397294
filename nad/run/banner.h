// What nad_run says before it learns.
#pragma once

#include "nad/run/progress.h"
#include "nad/run/run_state.h"

namespace nad {

void say_banner(const RunSetup& setup, const RunState& state, Progress& progress);
void say_memory(const RunState& state, Progress& progress);  // of the learner that was planned

}  // namespace nad
