#include "nad/analyse/answers.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace nad {

void check_finite(const float* logits, int64_t classes) {
  if (std::all_of(logits, logits + classes, [](float x) { return std::isfinite(x); })) return;
  throw Error(ErrorKind::not_finite, "evaluation: a logit is not finite",
              "check that mean and std of the weights file fit the network");
}

std::vector<int64_t> answers(const float* logits, int64_t count, int64_t classes) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < count; i++) {
    const float* row = logits + i * classes;
    check_finite(row, classes);
    result.push_back(std::max_element(row, row + classes) - row);
  }
  return result;
}

LabelledPixels prepare(const ImagePool& pool, int64_t size, const Preprocessing& preprocessing) {
  LabelledPixels prepared{pool.labels, {}, size};
  const int64_t pixels = size * size * 3;
  prepared.pixels.resize(pool.images.size() * static_cast<size_t>(pixels));
  Preprocessor preprocessor(static_cast<int>(size), preprocessing);
  for (size_t i = 0; i < pool.images.size(); i++) {
    preprocessor.evaluate(pool.images[i], prepared.pixels.data() + static_cast<int64_t>(i) * pixels);
  }
  return prepared;
}

AnswerCounts answers_to_others(GatedForward& forward, const GateVectors& gates, const LabelledPixels& images,
                               int64_t own, const std::function<void()>& between) {
  std::vector<int64_t> others;  // places in `images`
  for (size_t i = 0; i < images.labels.size(); i++) {
    if (images.labels[i] != own) others.push_back(static_cast<int64_t>(i));
  }
  const int64_t classes = forward.num_classes(), pixels = images.size * images.size * 3;
  const int64_t capacity = forward.options().images;
  const GateVectors mask = binary_mask(gates);
  AnswerCounts counts;
  for (auto* list : {&counts.images, &counts.as_own, &counts.correct}) list->assign(static_cast<size_t>(classes), 0);
  std::vector<float> batch, logits(static_cast<size_t>(capacity * classes));
  const auto total = static_cast<int64_t>(others.size());
  for (int64_t first = 0; first < total; first += capacity) {
    between();
    const int64_t count = std::min(capacity, total - first);
    batch.clear();
    for (int64_t i = 0; i < count; i++) {
      const float* from = images.pixels.data() + others[first + i] * pixels;
      batch.insert(batch.end(), from, from + pixels);
    }
    run_beside_original(forward, mask, batch.data(), count, nullptr, logits.data());
    const std::vector<int64_t> answered = answers(logits.data(), count, classes);
    for (int64_t i = 0; i < count; i++) {
      const int64_t label = images.labels[others[first + i]];
      ++counts.images[label];
      counts.as_own[label] += answered[i] == own;
      counts.correct[label] += answered[i] == label;
    }
  }
  return counts;
}

}  // namespace nad
