// The four networks, recorded from the attributes and tensors of a weights file.
// Gate positions: torchvision's vgg16, resnet50, densenet121 and the DARTS network with the gates of the paper
// (VGG16 13, ResNet50 17, DenseNet121 8, DARTS 16 at their standard sizes). Attribute names: weights/FORMAT.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/attributes.h"
#include "engine/tape.h"

namespace nad {

struct NetworkDescription {
  std::string arch;  // "vgg16", "resnet50", "densenet121", "darts"
  int64_t num_classes = 1000;
  int64_t input_size = 224;
  Attributes attributes;  // widths, depths, ...; absent ones take the standard network's values
};

struct BuildOptions {
  int64_t batch = 1;           // images
  int64_t repeat = 2;          // copies of every image after gate 0 (original + gated)
  bool fold_batchnorm = true;  // fold a BatchNorm that follows a convolution into its weights (in double)
  // Every BatchNorm by the batch's own statistics (Tape::batch_norm); its weight and bias follow, the statistics among
  // the weights are not used.
  bool measure_batchnorm = false;
};

std::vector<std::string> architectures();                      // the known names
double default_beta(const std::string& arch, bool places365);  // docs/METHOD.md section 2

// The tensors that this network needs. Throws Error(data) for an unknown architecture or attributes that contradict
// each other (the message names the attribute).
std::vector<TensorSpec> required_tensors(const NetworkDescription& description);

// Channels of every gate, in order, and a readable name for each ("layer1.0", "denseblock1", "cells.3", ...).
struct GateInfo {
  std::string name;
  int64_t channels = 0;
  int64_t height = 0, width = 0;
};
std::vector<GateInfo> gate_infos(const NetworkDescription& description);

// Records the network. `weights` maps state_dict names to tensors, exactly those of required_tensors; they are moved
// out. Throws Error(data) where one is missing, unexpected or of the wrong shape.
Tape build_network(const NetworkDescription& description, std::map<std::string, HostTensor> weights,
                   const BuildOptions& options);

}  // namespace nad
