#include "nad/run/outcome.h"

#include <algorithm>
#include <cmath>

namespace nad {

namespace {

bool others_have_images(const RunSetup& setup, int64_t index) {
  for (size_t k = 0; k < setup.val_class.size(); k++) {
    const std::string& name = setup.val_class[k];
    if (static_cast<int64_t>(k) == index || name.empty()) continue;
    if (count_readable(*setup.source, "val", name) > 0) return true;
  }
  return false;
}

}  // namespace

bool lacks_accuracy(const RunSetup& setup, const ClassTask& task, const ClassResult& result) {
  if (!setup.options.eval || task.val_images == 0 || !result.finished) return false;
  return std::isnan(result.top1_before) || (std::isnan(result.false_alarms) && others_have_images(setup, task.index));
}

bool all_finished(const RunSetup& setup, const Results& results) {
  return std::all_of(setup.classes.begin(), setup.classes.end(), [&](const ClassTask& task) {
    const auto found = results.classes.find(task.index);
    return found != results.classes.end() && found->second.finished && !lacks_accuracy(setup, task, found->second);
  });
}

Failures failures(const RunSetup& setup, const Results& results) {
  Failures failed;
  for (const ClassTask& task : setup.classes) {
    const auto found = results.classes.find(task.index);
    if (found == results.classes.end() || found->second.error.empty()) continue;
    failed.count++;
    failed.exit_code = std::max(failed.exit_code, static_cast<int>(found->second.error_code));
  }
  return failed;
}

}  // namespace nad
