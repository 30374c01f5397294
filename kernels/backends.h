// Where backends come from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "kernels/learning_ops.h"

namespace nad {

// Whose kernels a CUDA device uses for convolutions and linear layers: the hand-written ones, cuDNN's and cuBLAS's,
// or, layer by layer, the faster of both as measured at planning (kernels/cuda/kernel_choice.h).
enum class ConvChoice : uint8_t { handwritten, cudnn, automatic };
inline std::string to_string(ConvChoice choice) {  // "handwritten", "cudnn", "auto"
  switch (choice) {
    case ConvChoice::handwritten:
      return "handwritten";
    case ConvChoice::cudnn:
      return "cudnn";
    case ConvChoice::automatic:
      return "auto";
  }
  return "?";
}
ConvChoice parse_conv_choice(const std::string& name);  // throws Error(usage)

struct BackendOptions {
  int threads = 0;    // 0 = all cores
  bool graph = true;  // a CUDA step is captured as a graph; false runs its kernels one by one
  ConvChoice conv = ConvChoice::handwritten;
};

// name: "reference" (plain loops, double accumulators), "cpu" (vectorised, oneDNN), "cuda" or "cuda:I" (device I),
// "auto" (cuda where a device can be used, else cpu). Throws Error(device) for a backend or a library that this build
// or machine lacks, Error(usage) for an unknown name or NAD_ISA (kernels/cpu/isa.h).
std::unique_ptr<Backend> make_backend(const std::string& name, const BackendOptions& options = {});
std::vector<std::string> backend_names();  // those that this build has and this machine can run

// What "auto" means here and why.
struct DeviceChoice {
  std::string name;    // for make_backend
  std::string reason;  // one line
};
DeviceChoice choose_device();

const OpTable& reference_ops();
const OpTable& cpu_ops();
const LearningOps& reference_learning_ops();
const LearningOps& cpu_learning_ops();

// Only in a build with CUDA (NAD_CUDA): kernels/cuda/backend.cu, or the host model of tests/host_cuda.
std::unique_ptr<Backend> make_cuda_backend(int index, const BackendOptions& options);
std::string cuda_problem(int index);  // why the device cannot be used, or ""

}  // namespace nad
