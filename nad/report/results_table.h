// Results as a table for people and as JSON for programs. Both need the results alone: no weights, images or device.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "nad/store/results.h"

namespace nad {

std::vector<int64_t> all_classes(const Results& results);  // their indices, growing

// What makes the results those of a control: "random weights (seed 233); K is the whole batch". Else empty.
std::string control_text(const RunSettings& settings);

// classes: indices, in the order of the rows; those that the results lack are left out. The averages are over the
// finished classes that have the value. Where only some classes were shown as others (RunSettings::splits_others())
// the false alarms on those and on the rest have columns of their own.
// Those of a control have a title that says so.
void write_table(const Results& results, const std::vector<int64_t>& classes, std::ostream& out);
// One document: settings, gates, classes, average, out. Numbers
// that do not exist are null. path: of the results file.
void write_json(const Results& results, const std::vector<int64_t>& classes, const std::string& path,
                std::ostream& out);

// The finished ones of `classes`, and their averages: NaN where no class has the value.
struct Averages {
  int64_t finished = 0, failed = 0, constant = 0;  // constant: constant answers
  double kept = ClassResult::kNone, before = ClassResult::kNone, after = ClassResult::kNone,
         false_alarms = ClassResult::kNone, false_alarms_shown = ClassResult::kNone,
         false_alarms_unshown = ClassResult::kNone;  // percent
  double loss = ClassResult::kNone, seconds = ClassResult::kNone;
};
Averages averages(const Results& results, const std::vector<int64_t>& classes);

}  // namespace nad
