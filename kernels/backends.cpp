#include "kernels/backends.h"

#include <charconv>

#include "engine/error.h"
#include "engine/parallel.h"
#include "kernels/cpu/convolution/conv2d.h"
#include "kernels/cpu/isa.h"
#include "kernels/host_backend.h"

namespace nad {
namespace {

#ifdef NAD_CUDA
constexpr bool kHasCuda = true;
#else
constexpr bool kHasCuda = false;
#endif

std::string why_no_cuda([[maybe_unused]] int index) {
#ifdef NAD_CUDA
  return cuda_problem(index);
#else
  return "device cuda: this build has no CUDA backend; configure with -DNAD_CUDA=ON or use device cpu";
#endif
}

std::unique_ptr<Backend> make_cuda([[maybe_unused]] int index, [[maybe_unused]] const BackendOptions& options) {
#ifdef NAD_CUDA
  return make_cuda_backend(index, options);
#else
  throw Error(ErrorKind::device, why_no_cuda(index), "", Setting::device);
#endif
}

bool is_cuda(const std::string& name) { return name == "cuda" || name.compare(0, 5, "cuda:") == 0; }

// The I of "cuda:I"; 0 for "cuda".
int device_index(const std::string& name) {
  if (name == "cuda") return 0;
  int index = 0;
  const char *begin = name.data() + 5, *end = name.data() + name.size();
  const auto [stop, status] = std::from_chars(begin, end, index);
  if (begin == end || status != std::errc() || stop != end || index < 0) {
    throw Error(ErrorKind::usage, "device '" + name + "' is unknown", "expected cuda:I with I = 0, 1, ...");
  }
  return index;
}

std::unique_ptr<Backend> make_cpu(int threads) {
  std::string note;
  if (!cpu::bf16_products()) {
    const std::string integers = cpu::integer_products() ? "3x3 in 16-bit integers, the rest" : "convolutions";
    note = integers + " in fp32: this processor has no bf16 units";
  }
  return std::make_unique<HostBackend>("cpu", cpu_ops(), cpu_learning_ops(),
                                       std::vector{Precision::fp32, Precision::bf16}, threads, note);
}

}  // namespace

DeviceChoice choose_device() {
  const std::string problem = why_no_cuda(0);
  if (problem.empty()) return {"cuda:0", "auto takes cuda:0, the first CUDA device"};
  return {"cpu", "auto takes cpu: " + problem.substr(0, problem.find(';'))};
}

std::vector<std::string> backend_names() {
  std::vector<std::string> names = {"reference", "cpu"};
  if (kHasCuda && why_no_cuda(0).empty()) names.push_back("cuda");
  return names;
}

ConvChoice parse_conv_choice(const std::string& name) {
  for (ConvChoice choice : {ConvChoice::handwritten, ConvChoice::cudnn, ConvChoice::automatic}) {
    if (name == to_string(choice)) return choice;
  }
  throw Error(ErrorKind::usage, "conv '" + name + "' is unknown", "expected handwritten, cudnn or auto",
              Setting::convolutions);
}

std::unique_ptr<Backend> make_backend(const std::string& name, const BackendOptions& options) {
  cpu::best_isa();  // whatever the device: images are scaled on the CPU
  const int threads = options.threads;
  if (threads < 0) {
    throw Error(ErrorKind::usage, "threads: " + std::to_string(threads) + " is negative", "0 means all cores");
  }
  if (name == "auto") return make_backend(choose_device().name, options);
  if (is_cuda(name)) {
    set_threads(threads);  // images are read and scaled on the CPU
    return make_cuda(device_index(name), options);
  }
  const bool is_cpu = name == "cpu";
  if (!is_cpu && name != "reference") {
    throw Error(ErrorKind::usage, "device '" + name + "' is unknown", "expected auto, cpu, cuda, cuda:I or reference",
                Setting::device);
  }
  if (options.conv == ConvChoice::cudnn) {
    throw Error(ErrorKind::device, "conv cudnn: the device is " + name + ", cuDNN needs a CUDA device",
                "use conv handwritten or auto", Setting::convolutions);
  }
  if (is_cpu) return make_cpu(threads);
  return std::make_unique<HostBackend>("reference", reference_ops(), reference_learning_ops(),
                                       std::vector{Precision::fp32}, threads);
}

}  // namespace nad
