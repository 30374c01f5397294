// Files that are there whole or not at all, whatever happens while they are written.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nad {

// Added to the name of a file until it is whole.
inline constexpr const char* kUnfinished = ".part";

// Writes PATH.part, flushes it to the disk, renames it over PATH and flushes the folder. Where anything fails PATH
// keeps its former content, PATH.part is removed and Error(data) says why (no space, no permission, ...).
// `what` begins the message, as in "results file".
void write_durably(const std::string& path, const std::vector<std::byte>& bytes, const std::string& what);

// Where a file at PATH really lies: at the end of its symbolic links, the last of which may point to nothing yet.
std::string follow_links(const std::string& path);

}  // namespace nad
