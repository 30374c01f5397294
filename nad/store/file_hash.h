// FNV-1a, 64 bits: by which a results file knows the weights and images that it was made from again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace nad {

// Over the content of a file, in hexadecimal. Throws Error(data) where it cannot be read.
std::string file_hash(const std::string& path);

// The same function over memory, to be continued: start with kHashStart.
constexpr uint64_t kHashStart = 0xCBF29CE484222325ull;
uint64_t hash_bytes(uint64_t hash, const void* data, size_t bytes);
std::string hexadecimal(uint64_t value);

}  // namespace nad
