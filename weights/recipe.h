// Seeded weights: instead of its values a file may store how to draw them, so that full-size networks for tests and
// benchmarks take kilobytes. Bit for bit the generator of the PyTorch peer (hash_uniform).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nad {

// w[i] = (k - 2^23) * 2^-23 * bound, k = the top 24 bits of random_bits(hash_name(name) ^ seed, i):
// uniform in [-bound, bound). All steps are exact but the last product, which rounds once.
std::vector<float> recipe_values(const std::string& name, uint64_t seed, float bound, int64_t count);

// Sum over i of bits(w[i]) * ((i + 1) * golden ratio | 1) modulo 2^64: cheap, and depends on the order.
uint64_t recipe_checksum(const std::vector<float>& values);

}  // namespace nad
