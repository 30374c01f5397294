// The command line of nad_analyse.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "nad/analyse/analysis.h"
#include "nad/run/device_options.h"
#include "nad/run/image_options.h"

namespace nad {

struct AnalyseOptions : DeviceOptions, ImageOptions {
  std::vector<std::string> results, weights;
  std::vector<std::string> controls;  // analysis files of networks with random weights
  std::string masks;                  // folder of the objects' masks; empty = there are none
  std::string out = "analysis.h5";    // with links followed
  std::vector<std::string> only;      // names; empty = all
  AnalysisSettings settings;
  int64_t batch = 32;  // samples of a pass
  bool json = false, quiet = false;
};

// Empty where the program is done: help, the version or the list of analyses was asked for and written to `out`.
// Throws Error(usage).
std::optional<AnalyseOptions> parse_analyse_options(int argc, const char* const* argv, std::ostream& out);

}  // namespace nad
