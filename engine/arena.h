// Lifetimes to offsets: regions whose lifetimes overlap get disjoint bytes of one arena.
#pragma once

#include <cstddef>
#include <vector>

namespace nad {

struct Region {
  size_t bytes = 0;
  int first = 0, last = 0;  // times of the first write and the last read, inclusive
  size_t offset = 0;        // result
};

// Assigns offsets (multiples of 256 bytes), largest regions first, each at the lowest place that is free during its
// whole life. Returns the bytes of the arena.
size_t assign_offsets(std::vector<Region>& regions);

}  // namespace nad
