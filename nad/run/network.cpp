#include "nad/run/network.h"

#include "engine/error.h"

namespace nad {

NetworkDescription describe(const WeightsFile& file, int64_t input_size) {
  return {file.arch(), file.num_classes(), input_size ? input_size : file.input_size(), file.attributes()};
}

Preprocessing preprocessing_of(const WeightsFile& file) {
  return {file.mean(), file.stddev(), static_cast<int>(file.resize_size()),
          file.interpolation() == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear};
}

std::map<std::string, HostTensor> load_tensors(const WeightsFile& file, const NetworkDescription& network) {
  return file.read_all(required_tensors(network));
}

ObjectiveDefaults defaults_of(Objective objective, const NetworkDescription& network, bool fixed_lambda) {
  if (objective == Objective::specific && fixed_lambda) return {.beta = {2, "default"}, .lr = 0.03, .start = 1};
  if (objective == Objective::specific)
    return {.beta = {8, "default"}, .lr = 0.01, .max_false_alarms = 0.05, .start = 0.5};
  constexpr int64_t kPlaces365 = 365;
  const bool places365 = network.num_classes == kPlaces365;
  return {
      .beta = {default_beta(network.arch, places365), places365 ? "Places365's default: 365 classes" : "default"}};
}

GateVectors first_gates(Objective objective, const ObjectiveDefaults& defaults, const std::vector<int64_t>& channels,
                        uint64_t key) {
  return objective == Objective::specific ? open_gates(channels, key, defaults.start) : initial_gates(channels, key);
}

Objective parse_objective(const std::string& name) {
  for (Objective o : {Objective::released, Objective::paper, Objective::variational, Objective::specific}) {
    if (name == to_string(o)) return o;
  }
  throw Error(ErrorKind::usage, "objective '" + name + "' is not known",
              "use released, paper, variational or specific");
}

std::string to_string(Objective objective) {
  switch (objective) {
    case Objective::released:
      return "released";
    case Objective::paper:
      return "paper";
    case Objective::variational:
      return "variational";
    case Objective::specific:
      return "specific";
  }
  return "?";
}

Precision parse_precision(const std::string& name) {
  for (Precision p : {Precision::fp32, Precision::tf32, Precision::bf16}) {
    if (name == to_string(p)) return p;
  }
  throw Error(ErrorKind::usage, "precision '" + name + "' is not known", "use fp32, tf32 or bf16");
}

Half parse_half(const std::string& name) {
  for (Half h : {Half::all, Half::first, Half::second}) {
    if (name == to_string(h)) return h;
  }
  throw Error(ErrorKind::usage, "half '" + name + "' is not known", "use first, second or all");
}

std::string to_string(Half half) { return half == Half::all ? "all" : half == Half::first ? "first" : "second"; }

SpecificTarget parse_target(const std::string& name) {
  for (SpecificTarget t : {SpecificTarget::named_class, SpecificTarget::all}) {
    if (name == to_string(t)) return t;
  }
  throw Error(ErrorKind::usage, "specific target '" + name + "' is not known", "use class or all");
}

std::string to_string(SpecificTarget target) { return target == SpecificTarget::all ? "all" : "class"; }

}  // namespace nad
