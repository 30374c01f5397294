#include "nad/analyse/accuracy.h"

#include <algorithm>
#include <vector>

#include "nad/analyse/answers.h"
#include "nad/images/loader.h"

namespace nad {
Accuracy class_accuracy(GatedForward& forward, const GateVectors& gates, const DecodedClass& images,
                        const Preprocessing& preprocessing, int workers, const std::function<void()>& between) {
  const int64_t total = static_cast<int64_t>(images.images.size()), classes = forward.num_classes();
  LoaderOptions options;
  options.transform = Transform::evaluate;
  options.batch = static_cast<int>(std::min(forward.options().images, total));
  options.size = static_cast<int>(forward.input_size());
  options.preprocessing = preprocessing;
  options.steps = steps_per_epoch(total, options.batch);
  options.workers = workers;
  options.ahead = 2;
  BatchLoader loader(images, options);

  std::vector<float> original(static_cast<size_t>(options.batch * classes)), hard(original.size());
  const GateVectors mask = binary_mask(gates);
  int64_t before = 0, after = 0;
  for (int64_t step = 0; step < options.steps; step++) {
    between();
    const Batch& batch = loader.next();
    run_beside_original(forward, mask, batch.images, batch.valid, original.data(), hard.data());
    const auto hits = [&](const std::vector<float>& logits) {
      const std::vector<int64_t> answered = answers(logits.data(), batch.valid, classes);
      return std::count(answered.begin(), answered.end(), images.index);
    };
    before += hits(original);
    after += hits(hard);
  }
  const auto percent = [&](int64_t hits) { return 100.0 * static_cast<double>(hits) / static_cast<double>(total); };
  return {total, percent(before), percent(after)};
}

}  // namespace nad
