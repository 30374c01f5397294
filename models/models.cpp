#include "models/models.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/error.h"
#include "models/networks.h"

namespace nad {
namespace {

struct Architecture {
  const char* name;
  void (*record)(Builder&);
  double beta_imagenet, beta_places365;
};

constexpr std::array<Architecture, 4> kArchitectures = {{
    {"vgg16", record_vgg16, 4.5, 5.0},
    {"resnet50", record_resnet50, 0.02, 0.02},
    {"densenet121", record_densenet121, 0.02, 0.02},
    {"darts", record_darts, 0.45, 0.20},
}};

const Architecture& find(const std::string& name) {
  const auto found = std::find_if(kArchitectures.begin(), kArchitectures.end(),
                                  [&](const Architecture& a) { return name == a.name; });
  if (found != kArchitectures.end()) return *found;
  std::string known;
  for (const Architecture& a : kArchitectures) known += std::string(known.empty() ? "" : ", ") + a.name;
  throw Error(ErrorKind::data, "unknown architecture '" + name + "'", "known are " + known);
}

// Every window fits into its padded input at least once, as PyTorch demands.
void check_windows(const Tape& tape) {
  for (const Tape::Node& node : tape.nodes()) {
    const Shape in = tape.shape(node.x);
    int64_t least_h = 1, least_w = 1;  // rows and columns of x that one window needs
    if (node.op == Op::conv2d) {
      const Conv2dParams& p = node.conv;
      least_h = p.dilation_h * (p.kernel_h - 1) + 1 + p.offset_h - 2 * p.pad_h;
      least_w = p.dilation_w * (p.kernel_w - 1) + 1 + p.offset_w - 2 * p.pad_w;
    } else if (node.op == Op::max_pool || node.op == Op::avg_pool) {
      least_h = node.pool.kernel_h - 2 * node.pool.pad_h;
      least_w = node.pool.kernel_w - 2 * node.pool.pad_w;
    }
    if (in.h >= least_h && in.w >= least_w) continue;
    throw Error(ErrorKind::data,
                "network: " + node.name + ": the input is too small, its map is " + std::to_string(in.h) + "x" +
                    std::to_string(in.w) + " here, at least " + std::to_string(least_h) + "x" +
                    std::to_string(least_w) + " is needed",
                "use larger images or check the attributes of the weights file");
  }
}

void record(Builder& builder) {
  find(builder.description().arch).record(builder);
  check_windows(builder.tape());
}

// The network's shapes and names, without values.
Builder sketch(const NetworkDescription& description) {
  BuildOptions options;
  options.repeat = 1;
  Builder builder(description, options, Parameters());
  record(builder);
  return builder;
}

}  // namespace

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const Architecture& a : kArchitectures) names.emplace_back(a.name);
  return names;
}

double default_beta(const std::string& arch, bool places365) {
  const Architecture& a = find(arch);
  return places365 ? a.beta_places365 : a.beta_imagenet;
}

std::vector<TensorSpec> required_tensors(const NetworkDescription& description) {
  return sketch(description).parameters().asked_for();
}

std::vector<GateInfo> gate_infos(const NetworkDescription& description) {
  Builder builder = sketch(description);
  const Tape& tape = builder.tape();
  std::vector<GateInfo> infos;
  for (size_t i = 0; i < tape.gates().size(); ++i) {
    const Shape shape = tape.shape(tape.gates()[i].y);
    infos.push_back({tape.gates()[i].name, shape.c, shape.h, shape.w});
  }
  return infos;
}

Tape build_network(const NetworkDescription& description, std::map<std::string, HostTensor> weights,
                   const BuildOptions& options) {
  Builder builder(description, options, Parameters(std::move(weights)));
  record(builder);
  builder.parameters().expect_all_taken();
  return std::move(builder.tape());
}

}  // namespace nad
