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

// The network's shapes and names, without values.
Builder sketch(const NetworkDescription& description) {
  BuildOptions options;
  options.repeat = 1;
  Builder builder(description, options, Parameters());
  find(description.arch).record(builder);
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
    infos.push_back({builder.gate_names()[i], shape.c, shape.h, shape.w});
  }
  return infos;
}

Tape build_network(const NetworkDescription& description, std::map<std::string, HostTensor> weights,
                   const BuildOptions& options) {
  const Architecture& architecture = find(description.arch);
  Builder builder(description, options, Parameters(std::move(weights)));
  architecture.record(builder);
  builder.parameters().expect_all_taken();
  return std::move(builder.tape());
}

}  // namespace nad
