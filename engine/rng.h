// Counter-based random numbers: a number is a pure function of (key, counter), so draws are equal on every
// backend, in any order and on any thread count.
// Bits: splitmix64's finaliser (Steele, Lea, Flood 2014) over key + (counter + 1) * golden ratio, the same
// generator that the peer's hash_uniform uses.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "engine/host_device.h"

namespace nad {

NAD_HOST_DEVICE inline uint64_t random_bits(uint64_t key, uint64_t counter) {
  uint64_t z = key + (counter + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

// A key derived from another key and one more coordinate (seed, then class, then gate, ...).
NAD_HOST_DEVICE inline uint64_t random_key(uint64_t key, uint64_t coordinate) {
  return random_bits(key ^ 0xD1B54A32D192ED03ull, coordinate);
}

// Uniform in [0, 1), 24 bits: exact in float.
NAD_HOST_DEVICE inline float random_uniform(uint64_t key, uint64_t counter) {
  return static_cast<float>(random_bits(key, counter) >> 40) * 0x1p-24f;
}

// Standard normal, Box-Muller in double so that every backend rounds the same way to float.
// counter 2i and 2i+1 share one pair of uniforms.
NAD_HOST_DEVICE inline float random_normal(uint64_t key, uint64_t counter) {
  const uint64_t pair = counter >> 1;
  const double u1 = (static_cast<double>(random_bits(key, 2 * pair) >> 11) + 1.0) * 0x1p-53;  // (0, 1]
  const double u2 = static_cast<double>(random_bits(key, 2 * pair + 1) >> 11) * 0x1p-53;      // [0, 1)
  const double radius = sqrt(-2.0 * log(u1));
  const double angle = 6.283185307179586476925 * u2;
  return static_cast<float>(radius * ((counter & 1) ? sin(angle) : cos(angle)));
}

// FNV-1a, to turn names (class ids) into coordinates.
inline uint64_t hash_name(std::string_view name) {
  uint64_t h = 0xCBF29CE484222325ull;
  for (unsigned char c : name) h = (h ^ c) * 0x100000001B3ull;
  return h;
}

}  // namespace nad
