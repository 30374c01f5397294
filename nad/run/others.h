// The images of other classes that a run of objective `specific` shows its classes (docs/METHOD.md section 2a).
#pragma once

#include <memory>

#include "nad/learn/class_batches.h"
#include "nad/run/progress.h"
#include "nad/run/run_state.h"

namespace nad {

// Draws them for the whole run, says how many there are, and keeps their hash in state.results.settings; null where the
// objective shows none. state has its learner. Throws Error(data) where the source has no image that can be read, or
// others than the run that goes on was learnt with.
std::shared_ptr<const Others> draw_others(const RunSetup& setup, RunState& state, Progress& progress);

}  // namespace nad
