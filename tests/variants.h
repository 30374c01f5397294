// What is tested and measured: every backend but the reference, in every precision it supports, and each algorithm of
// the CPU's convolutions by itself; measured only: NVIDIA's libraries.
#pragma once

#include <string>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/convolution/conv2d.h"

namespace nad::test {

struct Variant {
  std::string name;
  std::string backend;
  Precision precision;
  OpTable table;
  bool one_algorithm;  // may decline a case; convolutions only
  bool winograd;       // may transform its products
  ConvChoice conv = ConvChoice::handwritten;
};

template <cpu::ConvAlgorithm algorithm>
Kernel forced_conv2d(Planner& planner, const Conv2dArgs& args) {
  return cpu::conv2d_with(algorithm, planner, args);
}
template <cpu::ConvAlgorithm algorithm>
Kernel forced_conv2d_backward(Planner& planner, const Conv2dBackwardArgs& args) {
  return cpu::conv2d_backward_with(algorithm, planner, args);
}

template <cpu::ConvAlgorithm algorithm>
Variant forced(const std::string& name, Precision precision) {
  Variant v{"cpu/" + name + " " + to_string(precision), "cpu", precision, cpu_ops(), true, name == "winograd"};
  v.table.conv2d = forced_conv2d<algorithm>;
  v.table.conv2d_backward = forced_conv2d_backward<algorithm>;
  if (!v.winograd) v.table.fuses_max_pool = nullptr;  // the fused ops are Winograd's
  return v;
}

inline std::vector<Variant> variants() {
  std::vector<Variant> list;
  for (const std::string& name : backend_names()) {
    if (name == "reference") continue;
    const auto backend = make_backend(name);
    for (Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      if (!backend->supports(precision)) continue;
      list.push_back({name + " " + to_string(precision), name, precision, backend->ops(), false, name == "cpu"});
      if (name != "cpu") continue;
      using cpu::ConvAlgorithm;
      list.push_back(forced<ConvAlgorithm::depthwise>("depthwise", precision));
      list.push_back(forced<ConvAlgorithm::gemm>("gemm", precision));
      list.push_back(forced<ConvAlgorithm::winograd>("winograd", precision));
      list.push_back(forced<ConvAlgorithm::by_sample>("by_sample", precision));
    }
  }
  return list;
}

// The CUDA device with cuDNN and cuBLAS, where there are all three: for convolutions and linear layers.
inline std::vector<Variant> library_variants() {
  std::vector<Variant> list;
  try {
    const auto backend = make_backend("cuda", {.conv = ConvChoice::cudnn});
    for (Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      for (ConvChoice conv : {ConvChoice::cudnn, ConvChoice::automatic}) {
        list.push_back({"cuda/" + to_string(conv) + " " + to_string(precision), "cuda", precision, backend->ops(),
                        false, false, conv});
      }
    }
  } catch (const Error&) {  // then the hand-written kernels are measured alone
  }
  return list;
}

}  // namespace nad::test
