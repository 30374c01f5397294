#include "kernels/cuda/kernel_choice.h"

#include <algorithm>
#include <sstream>

#include "kernels/cuda/backend.h"
#include "kernels/cuda/check.h"

namespace nad::cuda {

namespace {

constexpr int timed_runs = 5;
constexpr const char* library_name = "library";
constexpr const char* handwritten_name = "handwritten";

// The library's kernel, run once; empty where the library has none or refuses to run it.
Kernel tried(Planner& planner, const KernelChoices::Candidate& library) {
  const size_t weights = planner.account().weights;
  try {
    Kernel kernel = library();
    if (!kernel) return {};
    kernel(planner.context());
    planner.context().backend().synchronize();
    return kernel;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::memory) throw;
    planner.account().weights = weights;
    return {};
  }
}

// Puts the layer's accumulated result back.
class Restored {
 public:
  Restored(Context& context, const KernelChoices::Layer& layer) : backend_(context.backend()), layer_(layer) {
    if (!layer.accumulated) return;
    copy_ = backend_.allocate(layer.accumulated_bytes);
    backend_.copy(copy_.get(), layer.accumulated, layer.accumulated_bytes);
  }
  ~Restored() {
    if (!copy_) return;
    try {
      backend_.copy(layer_.accumulated, copy_.get(), layer_.accumulated_bytes);
      backend_.synchronize();
    } catch (const Error&) {  // the device is lost, as whatever is called next says
    }
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;

 private:
  Backend& backend_;
  const KernelChoices::Layer& layer_;
  Buffer copy_;
};

class Stopwatch {
 public:
  explicit Stopwatch(Context& context) : context_(context) {
    NAD_CUDA_CHECK(cudaEventCreate(&start_));
    NAD_CUDA_CHECK(cudaEventCreate(&end_));
  }
  ~Stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Milliseconds of the fastest of several runs.
  float least(const Kernel& kernel) {
    const cudaStream_t stream = stream_of(context_);
    float least = 0;
    for (int i = 0; i < timed_runs; ++i) {
      NAD_CUDA_CHECK(cudaEventRecord(start_, stream));
      kernel(context_);
      NAD_CUDA_CHECK(cudaEventRecord(end_, stream));
      NAD_CUDA_CHECK(cudaEventSynchronize(end_));
      float milliseconds = 0;
      NAD_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start_, end_));
      least = i == 0 ? milliseconds : std::min(least, milliseconds);
    }
    return least;
  }

 private:
  Context& context_;
  cudaEvent_t start_ = nullptr, end_ = nullptr;
};

}  // namespace

Kernel KernelChoices::choose(Planner& planner, const Layer& layer, const Candidate& handwritten,
                             const Candidate& library) {
  if (policy_ == ConvChoice::handwritten) return handwritten();
  const Restored restored(planner.context(), layer);
  if (policy_ == ConvChoice::automatic) {
    const auto known = library_is_faster_.find(layer.text);
    if (known == library_is_faster_.end()) return measure(planner, layer, handwritten, library);
    if (!known->second) return handwritten();
  }
  if (Kernel kernel = tried(planner, library)) return kernel;
  if (policy_ == ConvChoice::automatic) {
    throw Error(ErrorKind::device,
                "conv auto: a library was chosen for " + layer.text + " before, and is not there now",
                "install it again, or start anew");
  }
  return handwritten();
}

Kernel KernelChoices::measure(Planner& planner, const Layer& layer, const Candidate& handwritten,
                              const Candidate& library) {
  size_t& weights = planner.account().weights;
  const size_t before = weights;
  const Kernel theirs = tried(planner, library);
  const size_t with_theirs = weights;
  weights = before;
  const Kernel ours = handwritten();
  bool& library_is_faster = library_is_faster_[layer.text];
  ++measured_;
  if (!theirs) return ours;
  ours(planner.context());
  Stopwatch stopwatch(planner.context());
  library_is_faster = stopwatch.least(theirs) < stopwatch.least(ours);
  if (!library_is_faster) return ours;
  weights = with_theirs;
  return theirs;
}

std::string KernelChoices::text() const {
  std::string text;
  for (const auto& [layer, is_faster] : library_is_faster_) {
    text += layer + ": " + (is_faster ? library_name : handwritten_name) + "\n";
  }
  return text;
}

void KernelChoices::adopt(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.rfind(": ");
    if (colon == std::string::npos) continue;
    library_is_faster_[line.substr(0, colon)] = line.substr(colon + 2) == library_name;
  }
}

}  // namespace nad::cuda
