// What the four networks are written with: convolutions with their BatchNorm, gates, the classifier. Names are
// state_dict keys; shapes are NHWC (engine/tensor.h). Everything throws Error(data) where shapes do not fit.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tape.h"
#include "models/models.h"
#include "models/parameters.h"

namespace nad {

// A convolution and, where their names are not empty, the BatchNorm that follows it, and the BatchNorm and ReLU that it
// begins with.
struct ConvLayer {
  std::string conv = {}, norm = {};  // "layer1.0.conv1", "layer1.0.bn1"
  std::string norm_before = {};
  int64_t channels = 0;  // of the output
  Conv2dParams params = {};
  Prologue prologue = {};
  Post post = {};  // without scale and shift: those come from `norm`
  bool bias = false;
  PoolParams pool = {};  // 1x1: none; else a max-pool in front of `post`, without norms, prologue and `into`
  Var into = {};
};

Conv2dParams square_conv(int64_t kernel, int64_t stride = 1, int64_t pad = 0);
PoolParams square_pool(int64_t kernel, int64_t stride, int64_t pad = 0);
Post rectified();            // ReLU
Prologue rectified_input();  // ReLU on the way in

class Builder {
 public:
  Builder(const NetworkDescription& description, const BuildOptions& options, Parameters parameters);

  const NetworkDescription& description() const { return description_; }
  Parameters& parameters() { return parameters_; }
  Tape& tape() { return tape_; }
  int64_t repeat() const { return options_.repeat; }

  Var images();  // [batch, S, S, 3]

  // BatchNorm as a node of its own, and what follows it.
  Var batchnorm(Var x, const std::string& name, const Post& post = {}, Var into = {});
  // Whether it must be one: else it may become part of a convolution, as this map.
  bool measures_batchnorm() const { return options_.measure_batchnorm; }
  Affine batchnorm_affine(const std::string& name, int64_t channels);

  Var conv(Var x, const ConvLayer& layer);
  Var conv(Var x, const ConvLayer& layer, const Affine& norm);  // a given affine map instead of layer.norm

  // The next gate on its own; `relu` rectifies after it. The
  // first gate of a network makes `repeat` copies of the batch.
  Var gate(Var x, const std::string& name, bool relu = false, Var into = {});
  // The next gate as a slab: the nodes that write its slices apply it. PRECOND: not the first gate of the network.
  Var gated_slab(Shape shape, const std::string& name);
  // The next gate as part of the node that `record` records with the Post it is given. The first gate stands alone.
  Var gated(const std::string& name, Post post, const std::function<Var(const Post&)>& record);

  // [O, inputs] and a bias. `flatten_channels`: the input is a map of so many channels, flattened in PyTorch's order.
  Var linear(Var x, const std::string& name, int64_t outputs, bool relu, int64_t flatten_channels = 0);
  // Global average pooling and the linear classifier: the network's output.
  void classify(Var x, const std::string& name);

 private:
  NetworkDescription description_;
  BuildOptions options_;
  Parameters parameters_;
  Tape tape_;
  double eps_ = 1e-5;
};

}  // namespace nad
