// Where backends come from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"

namespace nad {

// name: "reference" (plain loops, double accumulators), "cpu" (vectorised, oneDNN), "cuda" or "cuda:I" (device I),
// "auto" (cuda where a device can be used, else cpu). threads: 0 = all cores. graph: a CUDA step is captured as a
// graph; false runs its kernels one by one. Throws Error(device) for a backend that this build or machine lacks,
// Error(usage) for an unknown name.
std::unique_ptr<Backend> make_backend(const std::string& name, int threads = 0, bool graph = true);
std::vector<std::string> backend_names();  // those that this build has and this machine can run

// What "auto" means here and why.
struct DeviceChoice {
  std::string name;    // for make_backend
  std::string reason;  // one line
};
DeviceChoice choose_device();

const OpTable& reference_ops();
const OpTable& cpu_ops();

// Only in a build with CUDA (NAD_CUDA): kernels/cuda/backend.cu, or the host model of tests/host_cuda.
std::unique_ptr<Backend> make_cuda_backend(int index, bool graph);
std::string cuda_problem(int index);  // why the device cannot be used, or ""

}  // namespace nad
