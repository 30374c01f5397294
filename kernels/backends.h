// Where backends come from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"

namespace nad {

// name: "reference" (plain loops, double accumulators), "cpu" (vectorised, oneDNN), "auto".
// threads: 0 = all cores. Throws Error(device) for a backend that this build or machine lacks, Error(usage) for an
// unknown name.
std::unique_ptr<Backend> make_backend(const std::string& name, int threads = 0);
std::vector<std::string> backend_names();  // those of this build

const OpTable& reference_ops();
const OpTable& cpu_ops();

}  // namespace nad
