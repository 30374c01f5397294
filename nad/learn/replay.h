// Runs prepared batches (weights/replay_case.h): the way to compare with another implementation.
#pragma once

#include "nad/learn/learner.h"
#include "weights/replay_case.h"

namespace nad {

// PRECOND: the learner has one slot, its batch is the case's, and given_noise is set where the case holds noise.
// Throws Error(data) where the case does not fit the network: gates, image size, labels.
ReplayResult run_replay(Learner& learner, const ReplayCase& replay_case);

}  // namespace nad
