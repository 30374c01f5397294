// What the results say of the classes that a run was asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "nad/run/run_setup.h"
#include "nad/store/results.h"

namespace nad {

// A class that an earlier run finished without its accuracies or its false alarms, which this one is to have.
bool lacks_accuracy(const RunSetup& setup, const ClassTask& task, const ClassResult& result);

bool all_finished(const RunSetup& setup, const Results& results);  // nothing is left to learn or to evaluate

// How many of the classes of this run failed, and 0, 3 (no images, ...) or 5 (a loss that is not finite).
struct Failures {
  int64_t count = 0;
  int exit_code = 0;
};
Failures failures(const RunSetup& setup, const Results& results);

}  // namespace nad
