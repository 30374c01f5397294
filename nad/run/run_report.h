// What nad_run says before it learns (banner, memory account) and afterwards (table or JSON, profile).
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "nad/learn/learner.h"
#include "nad/run/progress.h"
#include "nad/run/run_setup.h"

namespace nad {

void say_banner(const RunSetup& setup, Progress& progress);
void say_memory(const RunSetup& setup, const Learner& learner, Progress& progress);

// The classes of this run in the order given, and the averages over those that have the value.
void write_table(const RunSetup& setup, std::ostream& out);
// One document: settings, gates, classes, average, out. Numbers that do not exist are null.
void write_json(const RunSetup& setup, std::ostream& out);

// Every kernel of a step with its time, then the sums per op.
void write_profile(const std::vector<Learner::Timing>& timings, std::ostream& out);

}  // namespace nad
