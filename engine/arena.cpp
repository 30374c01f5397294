#include "engine/arena.h"

#include <algorithm>
#include <numeric>

namespace nad {

size_t assign_offsets(std::vector<Region>& regions) {
  constexpr size_t kAlign = 256;
  for (Region& r : regions) r.bytes = (r.bytes + kAlign - 1) / kAlign * kAlign;
  std::vector<size_t> order(regions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return regions[a].bytes > regions[b].bytes; });

  std::vector<size_t> placed;  // sorted by offset
  size_t total = 0;
  for (size_t index : order) {
    Region& region = regions[index];
    size_t offset = 0;
    for (size_t other : placed) {
      const Region& p = regions[other];
      if (p.last < region.first || region.last < p.first) continue;
      if (offset + region.bytes <= p.offset) break;  // fits in the gap before p
      offset = std::max(offset, p.offset + p.bytes);
    }
    region.offset = offset;
    total = std::max(total, offset + region.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                   [&](size_t a, size_t b) { return regions[a].offset < regions[b].offset; }),
                  index);
  }
  return total;
}

}  // namespace nad
