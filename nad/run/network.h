// From a weights file to what the engine needs, and the names that flags and files share.
#pragma once

#include <map>
#include <string>

#include "engine/context.h"
#include "kernels/learning_ops.h"
#include "models/models.h"
#include "nad/images/half_source.h"
#include "weights/weights.h"

namespace nad {

// The network a weights file describes; input_size 0 takes the file's.
NetworkDescription describe(const WeightsFile& file, int64_t input_size = 0);
// Its parameters, checked strictly against what the network needs. Throws Error(data).
std::map<std::string, HostTensor> load_tensors(const WeightsFile& file, const NetworkDescription& network);

// What beta is where none is given (docs/METHOD.md section 2). Places365 has values of its own; a network of its 365
// classes is taken for one of that data set.
struct BetaDefault {
  double value = 0;
  std::string why;  // "default" or "Places365's default: 365 classes"
};
BetaDefault default_beta(const NetworkDescription& network);

// "released", "paper", "variational"; "fp32", "tf32", "bf16"; "all", "first", "second". Throw Error(usage) that lists
// the known names.
Objective parse_objective(const std::string& name);
std::string to_string(Objective objective);
Precision parse_precision(const std::string& name);
Half parse_half(const std::string& name);
std::string to_string(Half half);

}  // namespace nad
