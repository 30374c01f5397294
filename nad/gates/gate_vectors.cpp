#include "nad/gates/gate_vectors.h"

#include "engine/rng.h"

namespace nad {

GateVectors binary_mask(const GateVectors& logits) {
  GateVectors mask = logits;
  for (std::vector<float>& gate : mask) {
    for (float& value : gate) value = in_mask(value) ? 1.0f : 0.0f;
  }
  return mask;
}

uint64_t class_key(uint64_t seed, int64_t class_index) {
  return random_key(random_key(0, seed), static_cast<uint64_t>(class_index));
}

GateVectors initial_gates(const std::vector<int64_t>& channels, uint64_t key) {
  GateVectors gates;
  for (size_t i = 0; i < channels.size(); ++i) {
    const uint64_t gate_key = random_key(key, i);
    std::vector<float> logits(channels[i]);
    for (int64_t c = 0; c < channels[i]; ++c) logits[c] = random_normal(gate_key, c);
    gates.push_back(std::move(logits));
  }
  return gates;
}

GateVectors open_gates(const std::vector<int64_t>& channels, uint64_t key, float middle) {
  GateVectors gates = initial_gates(channels, key);
  for (std::vector<float>& gate : gates) {
    for (float& logit : gate) logit = middle + 0.1f * logit;
  }
  return gates;
}

}  // namespace nad
