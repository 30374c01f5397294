// The command line of nad_explain.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "nad/run/device_options.h"
#include "nad/run/image_options.h"

namespace nad {

struct ExplainOptions : DeviceOptions, ImageOptions {
  std::vector<std::string> images;  // paths
  std::string weights, results;
  std::string label;              // id, index or name of what the images show; empty = their folders' names
  int64_t mistakes = 0;           // misjudged val images to choose; 0 = none
  uint64_t seed = 233;            // of their choice
  std::string out = "explained";  // folder of the pictures
  bool pictures = true, json = false;
};

// Empty where the program is done: help or the version was asked for and written to `out`. Throws Error(usage).
std::optional<ExplainOptions> parse_explain_options(int argc, const char* const* argv, std::ostream& out);

}  // namespace nad
