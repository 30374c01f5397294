// From a weights file to what the engine needs, and the names that flags and files share.
#pragma once

#include <map>
#include <string>

#include "engine/context.h"
#include "kernels/learning_ops.h"
#include "models/models.h"
#include "nad/gates/gate_vectors.h"
#include "nad/images/augment.h"
#include "nad/images/half_source.h"
#include "weights/weights.h"

namespace nad {

// The network a weights file describes; input_size 0 takes the file's.
NetworkDescription describe(const WeightsFile& file, int64_t input_size = 0);
// How its images are prepared.
Preprocessing preprocessing_of(const WeightsFile& file);
// Its parameters, checked strictly against what the network needs. Throws Error(data).
std::map<std::string, HostTensor> load_tensors(const WeightsFile& file, const NetworkDescription& network);

// What beta is where none is given (docs/METHOD.md section 2). Places365 has values of its own; a network of its 365
// classes is taken for one of that data set.
struct BetaDefault {
  double value = 0;
  std::string why;  // "default" or "Places365's default: 365 classes"
};

// What an objective is learnt with where nothing else is given (docs/METHOD.md sections 2, 2a and 3).
struct ObjectiveDefaults {
  BetaDefault beta;
  double lr = 0.1;
  double lambda = 1;            // specific: at the start
  double max_false_alarms = 0;  // specific: a share
  float start = 0;              // specific: of its gates, open_gates()
};
// fixed_lambda: specific, its weights follow no limit.
ObjectiveDefaults defaults_of(Objective objective, const NetworkDescription& network, bool fixed_lambda = false);
// Where its gates start: N(0, 1), or for `specific` all of them open, around defaults.start. key: class_key().
GateVectors first_gates(Objective objective, const ObjectiveDefaults& defaults, const std::vector<int64_t>& channels,
                        uint64_t key);

// "released", "paper", "variational", "specific"; "fp32", "tf32", "bf16"; "all", "first", "second"; "class", "all".
// Throw Error(usage) that lists the known names.
Objective parse_objective(const std::string& name);
std::string to_string(Objective objective);
Precision parse_precision(const std::string& name);
Half parse_half(const std::string& name);
std::string to_string(Half half);
SpecificTarget parse_target(const std::string& name);
std::string to_string(SpecificTarget target);

}  // namespace nad
