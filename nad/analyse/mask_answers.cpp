#include "nad/analyse/mask_answers.h"

#include <algorithm>
#include <numeric>

#include "engine/rng.h"
#include "nad/analyse/statistics.h"
#include "nad/gates/batch_rows.h"

namespace nad {

MaskAnswers::MaskAnswers(Context& context, const Tape& network, int64_t samples)
    : forward_(context, network, {.images = samples, .copies = 1, .rows = 1 + samples}) {}

void MaskAnswers::run(const LabelledPixels& images, int64_t masks, const MaskOf& mask_of, const Visit& visit,
                      const std::function<void(double)>& between) {
  const auto count = static_cast<int64_t>(images.labels.size());
  const int64_t samples = forward_.samples(), pixels = images.size * images.size * 3, pairs = masks * count;
  std::vector<float> batch(static_cast<size_t>(samples * pixels));
  std::vector<float> logits(static_cast<size_t>(samples * num_classes()));
  for (int64_t first = 0; first < pairs; first += samples) {
    between(static_cast<double>(first) / static_cast<double>(pairs));
    const int64_t here = std::min(samples, pairs - first);
    std::vector<int32_t> rows(static_cast<size_t>(samples), kOriginalRow);
    int32_t row = kOriginalRow, used = kOriginalRow;
    for (int64_t i = 0; i < here; i++) {
      const int64_t mask = (first + i) / count, image = (first + i) % count;
      if (i == 0 || image == 0) {
        const GateVectors multipliers = mask_of(mask);
        row = multipliers.empty() ? kOriginalRow : ++used;
        if (row != kOriginalRow) forward_.set_row(row, multipliers);
      }
      rows[i] = row;
      std::copy_n(images.pixels.data() + image * pixels, pixels, batch.data() + i * pixels);
    }
    forward_.use_rows(rows);
    forward_.run(batch.data(), here);
    forward_.logits(0, here, logits.data());
    for (int64_t i = 0; i < here; i++) {
      const float* of_sample = logits.data() + i * num_classes();
      check_finite(of_sample, num_classes());
      visit((first + i) / count, (first + i) % count, of_sample);
    }
  }
}

GateVectors random_mask(const GateVectors& like, uint64_t key) {
  GateVectors mask;
  for (size_t g = 0; g < like.size(); g++) {
    const uint64_t gate_key = random_key(key, g);
    const auto channels = static_cast<int64_t>(like[g].size());
    const auto kept = static_cast<int64_t>(std::count(like[g].begin(), like[g].end(), 1.0f));
    std::vector<int64_t> order(like[g].size());
    std::iota(order.begin(), order.end(), int64_t{0});
    mask.emplace_back(like[g].size(), 0.0f);
    for (int64_t i = 0; i < kept; i++) {
      std::swap(order[i], order[i + index_below(gate_key, static_cast<uint64_t>(i), channels - i)]);
      mask[g][order[i]] = 1.0f;
    }
  }
  return mask;
}

uint64_t random_mask_key(uint64_t seed, int64_t class_index, int64_t draw) {
  const uint64_t of_class = random_key(class_key(seed, class_index), hash_name("random masks"));
  return random_key(of_class, static_cast<uint64_t>(draw));
}

GateVectors complement_mask(const GateVectors& mask, int64_t* kept_whole) {
  GateVectors rest = mask;
  *kept_whole = 0;
  for (std::vector<float>& gate : rest) {
    if (std::count(gate.begin(), gate.end(), 0.0f) == 0) {
      ++*kept_whole;
      continue;
    }
    for (float& value : gate) value = 1.0f - value;
  }
  return rest;
}

GateVectors largest(const GateVectors& scores, const std::vector<int64_t>& keep) {
  GateVectors mask;
  for (size_t g = 0; g < scores.size(); g++) {
    std::vector<int64_t> order(scores[g].size());
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[g][a] > scores[g][b]; });
    mask.emplace_back(scores[g].size(), 0.0f);
    for (int64_t i = 0; i < keep[g]; i++) mask[g][order[i]] = 1.0f;
  }
  return mask;
}

std::vector<int64_t> kept_channels(const GateVectors& mask) {
  std::vector<int64_t> kept;
  for (const std::vector<float>& gate : mask) kept.push_back(std::count(gate.begin(), gate.end(), 1.0f));
  return kept;
}

}  // namespace nad
