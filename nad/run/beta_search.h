// --beta auto: finds beta before the run (docs/METHOD.md section 5, Fig. 6 of the paper). On the first twentieth of
// the classes, at least one, the gates are learnt with every beta of a grid exactly as the run would learn them; the
// elbow (nad/learn/elbow.h) of the reconstruction against the regularising term, both averaged over the last tenth
// of the steps and over the classes, is the beta of the run.
#pragma once

#include "nad/run/progress.h"
#include "nad/run/run_state.h"

namespace nad {

bool beta_search_due(const RunSetup& setup,
                     const RunState& state);  // asked for, and not found by the run that goes on

// Searches, says the curve and sets the beta of state.results and its learner; a curve without an elbow leaves the
// architecture's beta and says so. The results file is written after every class and beta. A class that cannot be
// learnt with some beta is left out. Throws Error(interrupted) after a stop signal, then --resume goes on with what
// is saved; Error(data) where the results cannot be written.
void search_beta(const RunSetup& setup, RunState& state, Progress& progress);

}  // namespace nad
