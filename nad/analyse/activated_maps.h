// The activated pixels of every image of a pass (docs/METHOD.md, section 5.3).
#pragma once

#include <functional>

#include "nad/analyse/hit_rate.h"
#include "nad/learn/gated_forward.h"

namespace nad {

// visit(n, mask) for each of the first `count` images of a copy, on several threads at once: the representation at a gate
// summed over channels, resized to the input size S, and of that the activated pixels. mask: [S, S], empty for a map of
// one value. PRECOND: the pass keeps representations.
void visit_activated(GatedForward& forward, int64_t gate, int64_t copy, int64_t count,
                     const std::function<void(int64_t n, const std::vector<uint8_t>& mask)>& visit);

}  // namespace nad
