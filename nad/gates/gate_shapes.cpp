#include "nad/gates/gate_shapes.h"

#include "engine/error.h"

namespace nad {

std::vector<int64_t> gate_channels(const Plan& plan) {
  std::vector<int64_t> channels;
  for (const Plan::GateMemory& gate : plan.gates()) channels.push_back(gate.channels);
  return channels;
}

void check_gates(const Plan& plan, const GateVectors& gates, const std::string& what) {
  for (size_t i = 0; i < plan.gates().size(); ++i) {
    const Plan::GateMemory& gate = plan.gates()[i];
    if (gates.size() == plan.gates().size() && static_cast<int64_t>(gates[i].size()) == gate.channels) continue;
    throw Error(ErrorKind::data,
                "gate " + std::to_string(i) + " (" + gate.name + ") has " + std::to_string(gate.channels) +
                    " channels: the given " + what + " do not fit",
                "use gates made for the same network");
  }
}

}  // namespace nad
