// Files that are there whole or not at all, whatever happens while they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nad {

// Writes PATH.part, flushes it to the disk, renames it over PATH and flushes the folder. Where anything fails PATH
// keeps its former content, PATH.part is removed and Error(data) says why (no space, no permission, ...).
// `what` begins the message, as in "results file".
void write_durably(const std::string& path, const std::vector<std::byte>& bytes, const std::string& what);

// Where a file at PATH really lies: at the end of its symbolic links, the last of which may point to nothing yet.
std::string follow_links(const std::string& path);

// FNV-1a over the content of a file, 64 bits in hexadecimal. Throws Error(data) where it cannot be read.
std::string file_hash(const std::string& path);

// The same function over memory, to be continued: start with kHashStart.
constexpr uint64_t kHashStart = 0xCBF29CE484222325ull;
uint64_t hash_bytes(uint64_t hash, const void* data, size_t bytes);
std::string hexadecimal(uint64_t value);

}  // namespace nad
