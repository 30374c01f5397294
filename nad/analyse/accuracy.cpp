#include "nad/analyse/accuracy.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "nad/images/loader.h"

namespace nad {
namespace {

// How many of `count` rows of K logits have their largest value at `label` (the first of equal ones).
int64_t right(const std::vector<float>& logits, int64_t count, int64_t classes, int64_t label) {
  int64_t hits = 0;
  for (int64_t i = 0; i < count; i++) {
    const float* row = logits.data() + i * classes;
    if (!std::all_of(row, row + classes, [](float x) { return std::isfinite(x); })) {
      throw Error(ErrorKind::not_finite, "evaluation: a logit is not finite",
                  "check that mean and std of the weights file fit the network");
    }
    hits += std::max_element(row, row + classes) - row == label;
  }
  return hits;
}

}  // namespace

Accuracy class_accuracy(Learner& learner, const GateVectors& gates, const DecodedClass& images,
                        const Normalization& normalization, int workers, const std::function<void()>& between) {
  const int64_t total = static_cast<int64_t>(images.images.size()), classes = learner.num_classes();
  LoaderOptions options;
  options.transform = Transform::evaluate;
  options.batch = static_cast<int>(std::min(learner.capacity(), total));
  options.size = static_cast<int>(learner.input_size());
  options.normalization = normalization;
  options.steps = steps_per_epoch(total, options.batch);
  options.workers = workers;
  options.ahead = 2;
  BatchLoader loader(images, options);

  std::vector<float> original(static_cast<size_t>(options.batch * classes)), hard(original.size());
  int64_t before = 0, after = 0;
  for (int64_t step = 0; step < options.steps; step++) {
    between();
    const Batch& batch = loader.next();
    learner.evaluate(gates, batch.images, batch.valid, original.data(), hard.data());
    before += right(original, batch.valid, classes, images.index);
    after += right(hard, batch.valid, classes, images.index);
  }
  const auto percent = [&](int64_t hits) { return 100.0 * static_cast<double>(hits) / static_cast<double>(total); };
  return {total, percent(before), percent(after)};
}

}  // namespace nad
