// The parameters of a network, handed out by their state_dict names while the network is recorded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace nad {

// Without weights it only notes what is asked for: its tensors then have shapes but no values. So a network is
// described once, and the list of its tensors cannot differ from what its recording takes.
class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(std::map<std::string, HostTensor> weights) : weights_(std::move(weights)), has_values_(true) {}

  bool has_values() const { return has_values_; }
  // Moves a tensor out. Throws Error(data) where it is missing or has another shape.
  HostTensor take(const std::string& name, const std::vector<int64_t>& shape);
  // Throws Error(data) naming the tensors that nothing asked for.
  void expect_all_taken() const;
  const std::vector<TensorSpec>& asked_for() const { return asked_for_; }

 private:
  std::map<std::string, HostTensor> weights_;
  bool has_values_ = false;
  std::vector<TensorSpec> asked_for_;
};

// y = scale * x + shift per channel: what a BatchNorm is in evaluation mode. Double, so that folding rounds once.
struct Affine {
  std::vector<double> scale, shift;
  Affine part(size_t first, size_t count) const;
};

// weight' = scale[o] * weight[o, ...]
void fold(HostTensor& weight, const std::vector<double>& scale);

// Columns of a linear layer on a flattened map from PyTorch's order (channel, pixel) to NHWC's (pixel, channel).
void columns_to_nhwc(HostTensor& weight, int64_t channels);

}  // namespace nad
