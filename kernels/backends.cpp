#include "kernels/backends.h"

#include "engine/error.h"
#include "kernels/host_backend.h"

namespace nad {

std::vector<std::string> backend_names() { return {"reference", "cpu"}; }

std::unique_ptr<Backend> make_backend(const std::string& name, int threads) {
  if (threads < 0) {
    throw Error(ErrorKind::usage, "threads: " + std::to_string(threads) + " is negative", "0 means all cores");
  }
  if (name == "reference") {
    return std::make_unique<HostBackend>("reference", reference_ops(), std::vector{Precision::fp32}, threads);
  }
  if (name == "cpu" || name == "auto") {
    std::vector<Precision> precisions = {Precision::fp32};
    // Products of bfloat16 need 512-bit registers, in the hand-written kernels as in oneDNN.
    if (host_has("avx512f") && host_has("avx512bw") && host_has("avx512vl") && host_has("avx512dq")) {
      precisions.push_back(Precision::bf16);
    }
    return std::make_unique<HostBackend>("cpu", cpu_ops(), precisions, threads);
  }
  if (name == "cuda") {
    throw Error(ErrorKind::device, "device cuda: this build has no CUDA backend", "use --device cpu");
  }
  throw Error(ErrorKind::usage, "device '" + name + "' is unknown", "expected auto, cpu or reference");
}

}  // namespace nad
