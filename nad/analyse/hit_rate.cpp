#include "nad/analyse/hit_rate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace nad {
namespace {

// Output i of an axis reads inputs low and low + 1 (at the border: low twice) with weights 1 - share and share.
struct Tap {
  int64_t low = 0, high = 0;
  float share = 0;
};

// In float, as torch computes them: a rounded weight is part of the definition where values tie.
std::vector<Tap> taps(int64_t in, int64_t out) {
  std::vector<Tap> result;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (int64_t i = 0; i < out; ++i) {
    const float at = std::max(0.0f, scale * (static_cast<float>(i) + 0.5f) - 0.5f);
    const int64_t low = std::min(static_cast<int64_t>(at), in - 1);
    result.push_back({low, std::min(low + 1, in - 1), at - static_cast<float>(low)});
  }
  return result;
}

}  // namespace

PixelMap channel_sum(CTensor representation, int64_t n) {
  const Shape& s = representation.shape;
  PixelMap map{s.h, s.w, {}};
  for (int64_t y = 0; y < s.h; ++y) {
    for (int64_t x = 0; x < s.w; ++x) {
      const float* pixel = representation.at(n, y, x);
      double sum = 0;
      for (int64_t c = 0; c < s.c; ++c) sum += pixel[c];
      map.values.push_back(static_cast<float>(sum));
    }
  }
  return map;
}

PixelMap resize_bilinear(const PixelMap& map, int64_t height, int64_t width) {
  const std::vector<Tap> rows = taps(map.height, height), columns = taps(map.width, width);
  PixelMap result{height, width, {}};
  for (const Tap& r : rows) {
    const float* upper = map.values.data() + r.low * map.width;
    const float* lower = map.values.data() + r.high * map.width;
    for (const Tap& c : columns) {
      const float above = (1 - c.share) * upper[c.low] + c.share * upper[c.high];
      const float below = (1 - c.share) * lower[c.low] + c.share * lower[c.high];
      result.values.push_back((1 - r.share) * above + r.share * below);
    }
  }
  return result;
}

std::vector<uint8_t> activated_pixels(const PixelMap& map, double share) {
  const auto [smallest, largest] = std::minmax_element(map.values.begin(), map.values.end());
  if (map.values.empty() || *smallest == *largest) return {};
  std::vector<float> values = map.values;
  const auto rank = static_cast<int64_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto mark = values.begin() + std::clamp<int64_t>(rank - 1, 0, static_cast<int64_t>(values.size()) - 1);
  std::nth_element(values.begin(), mark, values.end(), std::greater<>());
  std::vector<uint8_t> mask;
  for (const float value : map.values) mask.push_back(value >= *mark);
  return mask;
}

int quadrant_of(int64_t y, int64_t x, int64_t height, int64_t width) {
  return 2 * (y >= height / 2) + (x >= width / 2);
}

double hit_rate(const std::vector<uint8_t>& mask, int64_t height, int64_t width, int quadrant) {
  int64_t activated = 0, hits = 0;
  for (size_t i = 0; i < mask.size(); ++i) {
    if (!mask[i]) continue;
    const auto pixel = static_cast<int64_t>(i);
    ++activated;
    hits += quadrant_of(pixel / width, pixel % width, height, width) == quadrant;
  }
  if (activated == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(hits) / static_cast<double>(activated);
}

double share_inside(const std::vector<uint8_t>& mask, const std::vector<uint8_t>& region) {
  int64_t activated = 0, hits = 0;
  for (size_t i = 0; i < mask.size(); ++i) {
    activated += mask[i];
    hits += mask[i] && region.at(i);
  }
  if (activated == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(hits) / static_cast<double>(activated);
}

}  // namespace nad
