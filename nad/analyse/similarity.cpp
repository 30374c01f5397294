#include "nad/analyse/similarity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace nad {
namespace {

constexpr int64_t kWord = 64;

// Bits set in a & b. Counted in parallel within a word (Warren, Hacker's Delight, 5-1): baseline x86-64 has no
// instruction for it, and the compiler makes vectors of this.
int64_t common(const uint64_t* a, const uint64_t* b, int64_t words) {
  uint64_t sum = 0;
  for (int64_t w = 0; w < words; ++w) {
    uint64_t x = a[w] & b[w];
    x -= (x >> 1) & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Full;
    x += x >> 8;
    x += x >> 16;
    sum += (x + (x >> 32)) & 0x7F;
  }
  return static_cast<int64_t>(sum);
}

double log_choose(int64_t n, int64_t k) {
  const auto factorial = [](int64_t m) { return std::lgamma(static_cast<double>(m) + 1.0); };
  return factorial(n) - factorial(k) - factorial(n - k);
}

}  // namespace

MaskTable::MaskTable(const std::vector<int64_t>& channels, int64_t classes)
    : classes_(classes), channels_(channels), first_(1, 0) {
  for (const int64_t c : channels) first_.push_back(first_.back() + (c + kWord - 1) / kWord);
  width_ = first_.back();
  words_.assign(static_cast<size_t>(classes * width_), 0);
  kept_.assign(static_cast<size_t>(classes) * channels.size(), 0);
}

void MaskTable::set(int64_t item, const GateVectors& logits) {
  if (logits.size() != channels_.size()) {
    throw std::invalid_argument("a mask of " + std::to_string(logits.size()) + " gates, expected " +
                                std::to_string(channels_.size()));
  }
  uint64_t* row = words_.data() + item * width_;
  std::fill(row, row + width_, 0);
  for (size_t gate = 0; gate < logits.size(); ++gate) {
    if (static_cast<int64_t>(logits[gate].size()) != channels_[gate]) {
      throw std::invalid_argument("gate " + std::to_string(gate) + " of " + std::to_string(logits[gate].size()) +
                                  " channels, expected " + std::to_string(channels_[gate]));
    }
    int64_t& kept = kept_[item * gates() + static_cast<int64_t>(gate)] = 0;
    for (int64_t c = 0; c < channels_[gate]; ++c) {
      if (!in_mask(logits[gate][c])) continue;
      row[first_[gate] + c / kWord] |= uint64_t{1} << (c % kWord);
      ++kept;
    }
  }
}

double jaccard(const MaskTable& a, int64_t item_a, const MaskTable& b, int64_t item_b, int64_t gate) {
  const int64_t words = a.first_[gate + 1] - a.first_[gate];
  const int64_t both = common(a.bits(item_a, gate), b.bits(item_b, gate), words);
  const int64_t either = a.kept(item_a, gate) + b.kept(item_b, gate) - both;
  return either == 0 ? 1.0 : static_cast<double>(both) / static_cast<double>(either);
}

double MaskTable::jaccard(int64_t a, int64_t b, int64_t gate) const { return nad::jaccard(*this, a, *this, b, gate); }

double MaskTable::jaccard(int64_t a, int64_t b) const {
  double sum = 0;
  for (int64_t gate = 0; gate < gates(); ++gate) sum += jaccard(a, b, gate);
  return sum / static_cast<double>(gates());
}

double expected_jaccard(int64_t a, int64_t b, int64_t channels) {
  if (a == 0 && b == 0) return 1;
  const int64_t least = std::max<int64_t>(0, a + b - channels), most = std::min(a, b);
  const int64_t mode = std::clamp((a + 1) * (b + 1) / (channels + 2), least, most);
  const double peak = std::exp(log_choose(a, mode) + log_choose(channels - a, b - mode) - log_choose(channels, b));
  const auto term = [&](double p, int64_t k) { return p * static_cast<double>(k) / static_cast<double>(a + b - k); };
  // P(k + 1) / P(k)
  const auto ratio = [&](int64_t k) {
    return static_cast<double>((a - k) * (b - k)) / static_cast<double>((k + 1) * (channels - a - b + k + 1));
  };
  // From the mode both ways, until what is left no longer counts.
  constexpr double kNegligible = 1e-25;
  double sum = term(peak, mode), p = peak;
  for (int64_t k = mode; k < most && p > kNegligible; ++k) sum += term(p *= ratio(k), k + 1);
  p = peak;
  for (int64_t k = mode; k > least && p > kNegligible; --k) sum += term(p /= ratio(k - 1), k - 1);
  return sum;
}

// Classes of equal size share the value.
double mean_chance(const MaskTable& masks, int64_t gate) {
  std::vector<int64_t> with_size(masks.channels(gate) + 1, 0), sizes;  // with_size: classes that keep so many
  for (int64_t item = 0; item < masks.classes(); ++item) ++with_size[masks.kept(item, gate)];
  for (int64_t size = 0; size <= masks.channels(gate); ++size) {
    if (with_size[size] > 0) sizes.push_back(size);
  }
  double sum = 0, pairs = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (size_t j = i; j < sizes.size(); ++j) {
      const auto a = static_cast<double>(with_size[sizes[i]]), b = static_cast<double>(with_size[sizes[j]]);
      const double count = i == j ? a * (a - 1) / 2 : a * b;
      if (count == 0) continue;
      sum += count * expected_jaccard(sizes[i], sizes[j], masks.channels(gate));
      pairs += count;
    }
  }
  return pairs > 0 ? sum / pairs : std::numeric_limits<double>::quiet_NaN();
}

Similarity similarity(const MaskTable& masks) {
  const int64_t n = masks.classes(), gates = masks.gates();
  Similarity s;
  s.layers.assign(gates, 0);
  s.matrix.assign(static_cast<size_t>(n * n), 1.0);
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = a + 1; b < n; ++b) {
      double sum = 0;
      for (int64_t gate = 0; gate < gates; ++gate) {
        const double value = masks.jaccard(a, b, gate);
        s.layers[gate] += value;
        sum += value;
      }
      s.matrix[a * n + b] = s.matrix[b * n + a] = sum / static_cast<double>(gates);
    }
  }
  const double pairs = static_cast<double>(n) * static_cast<double>(n - 1) / 2;
  for (int64_t gate = 0; gate < gates; ++gate) {
    s.layers[gate] = n < 2 ? std::numeric_limits<double>::quiet_NaN() : s.layers[gate] / pairs;
    s.chance.push_back(mean_chance(masks, gate));
  }
  return s;
}

}  // namespace nad
