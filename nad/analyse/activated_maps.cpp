#include "nad/analyse/activated_maps.h"

#include "engine/parallel.h"

namespace nad {

void visit_activated(GatedForward& forward, int64_t gate, int64_t copy, int64_t count,
                     const std::function<void(int64_t n, const std::vector<uint8_t>& mask)>& visit) {
  const int64_t size = forward.input_size();
  const Shape& shape = forward.plan().gates()[static_cast<size_t>(gate)].value.shape;
  const std::vector<float> values = forward.representation(static_cast<size_t>(gate), copy, count);
  const CTensor maps(values.data(), {count, shape.h, shape.w, shape.c});
  parallel_for(count, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      visit(n, activated_pixels(resize_bilinear(channel_sum(maps, n), size, size)));
    }
  });
}

}  // namespace nad
