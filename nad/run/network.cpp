#include "nad/run/network.h"

#include "engine/error.h"

namespace nad {

NetworkDescription describe(const WeightsFile& file, int64_t input_size) {
  return {file.arch(), file.num_classes(), input_size ? input_size : file.input_size(), file.attributes()};
}

std::map<std::string, HostTensor> load_tensors(const WeightsFile& file, const NetworkDescription& network) {
  return file.read_all(required_tensors(network));
}

BetaDefault default_beta(const NetworkDescription& network) {
  constexpr int64_t kPlaces365 = 365;
  const bool places365 = network.num_classes == kPlaces365;
  return {default_beta(network.arch, places365), places365 ? "Places365's default: 365 classes" : "default"};
}

Objective parse_objective(const std::string& name) {
  for (Objective o : {Objective::released, Objective::paper, Objective::variational}) {
    if (name == to_string(o)) return o;
  }
  throw Error(ErrorKind::usage, "objective '" + name + "' is not known", "use released, paper or variational");
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

}  // namespace nad
