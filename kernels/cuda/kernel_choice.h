// Hand-written or a library's: how --conv decides for a layer.
//   handwritten   the hand-written kernel, always
//   cudnn         the library's kernel where there is one that runs, else the hand-written one
//   automatic     both run once at planning, on the layer's own memory, and the faster is taken; equal layers
//                 share the measurement. A measurement may decide otherwise the next time: as text the choices go
//                 into the results file, and a run that goes on takes them from there.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/context.h"
#include "kernels/backends.h"

namespace nad::cuda {

class KernelChoices {
 public:
  explicit KernelChoices(ConvChoice policy) : policy_(policy) {}

  using Candidate = std::function<Kernel()>;  // plans; empty where it does not cover the layer
  struct Layer {
    std::string text;  // everything that its time depends on, in one line
    // The result where the layer adds to it: as it was again when choose() returns, though kernels ran.
    void* accumulated = nullptr;
    size_t accumulated_bytes = 0;
  };
  // Throws Error(device) where an adopted choice cannot be followed.
  Kernel choose(Planner& planner, const Layer& layer, const Candidate& handwritten, const Candidate& library);

  // A line per measured layer.
  std::string text() const;
  void adopt(const std::string& text);
  int measured() const { return measured_; }  // layers so far

 private:
  Kernel measure(Planner& planner, const Layer& layer, const Candidate& handwritten, const Candidate& library);

  ConvChoice policy_;
  std::map<std::string, bool> library_is_faster_;  // by layer
  int measured_ = 0;
};

}  // namespace nad::cuda
