// Gates on the host: one vector of C values for each gate of a network. What is learnt is a logit per channel; what
// is kept of it is the binary mask of Eq. 16.
#pragma once

#include <cstdint>
#include <vector>

namespace nad {

using GateVectors = std::vector<std::vector<float>>;  // [gates][C]

// Eq. 16: whether a channel belongs to the sub-architecture, 1[sigmoid(logit) > 0.5].
constexpr bool in_mask(float logit) { return logit > 0; }

// The same for every channel: 1 where it is kept, else 0. [gates][C]
GateVectors binary_mask(const GateVectors& logits);

// The key of a class's random numbers: the same alone, among other classes, on any device and after a resume.
uint64_t class_key(uint64_t seed, int64_t class_index);

// Logits drawn from N(0, 1): random_normal(random_key(key, gate), channel). channels: [gates]
GateVectors initial_gates(const std::vector<int64_t>& channels, uint64_t key);
// Every gate open: middle + 0.1 n, n the same draws. What `specific` starts from (docs/METHOD.md section 2a).
GateVectors open_gates(const std::vector<int64_t>& channels, uint64_t key, float middle);

}  // namespace nad
