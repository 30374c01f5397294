// What stands against writing a file, found before minutes of work and not after them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"

namespace nad {

struct OutputRules {
  bool may_exist = false;           // a file there is gone on with, or replaced
  std::vector<std::string> inputs;  // files that are read: the output must be none of them
  bool try_writing = false;         // by making the file that write_durably() begins with; nobody else may be writing
};

struct OutputProblem {
  std::string what, hint;  // "is a folder", "give the name of a file"
};

// path: with links followed.
std::optional<OutputProblem> output_problem(const std::string& path, const OutputRules& rules);

// Throws Error(usage) that names --out where there is a problem.
void check_output(const std::string& path, const OutputRules& rules);

}  // namespace nad
