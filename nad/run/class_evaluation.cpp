#include "nad/run/class_evaluation.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/parallel.h"
#include "nad/analyse/accuracy.h"
#include "nad/run/signals.h"

namespace nad {

ClassEvaluation::ClassEvaluation(const RunSetup& setup, RunState& state, Progress& progress)
    : setup_(setup), state_(state), progress_(progress) {}

void ClassEvaluation::evaluate(const ClassTask& task, ClassResult& result) {
  const int workers = state_.context->backend().asynchronous() ? max_threads() : 0;
  DecodedClass images;
  try {
    images = decode_images_of(setup_, task, "val", progress_);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data) throw;
    progress_.warn("class " + class_label(task) + ": its accuracies are left out: " + e.what());
    return;
  }
  const Accuracy accuracy = class_accuracy(state_.learner->forward(), result.logits, images, setup_.preprocessing,
                                           workers, [] { stop_if_asked(); });
  if (result.val_images == 0) result.broken_images += images.broken;  // not yet counted by an earlier run
  result.val_images = accuracy.images;
  result.top1_before = accuracy.before;
  result.top1_after = accuracy.after;
  measure_false_alarms(task, result);
}

void ClassEvaluation::measure_false_alarms(const ClassTask& task, ClassResult& result) {
  std::string why = "no other class has val images that can be read";
  try {
    const AnswerCounts counts =
        answers_to_others(state_.learner->forward(), result.logits, others(), task.index, [] { stop_if_asked(); });
    const Specificity s = specificity(counts, task.index);
    result.false_alarms = 100 * s.false_alarms;
    result.other_images = s.other_images;
    if (state_.settings().splits_others()) {
      std::vector<bool> shown;
      for (const std::string& name : setup_.shown_class) shown.push_back(!name.empty());
      result.false_alarms_shown = 100 * specificity(of_classes(counts, shown), task.index).false_alarms;
      shown.flip();
      result.false_alarms_unshown = 100 * specificity(of_classes(counts, shown), task.index).false_alarms;
    }
    if (s.other_images > 0) return;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::data && e.kind() != ErrorKind::not_finite) throw;
    why = e.what();
  }
  progress_.warn("class " + class_label(task) + ": its false alarms are left out: " + why);
}

const LabelledPixels& ClassEvaluation::others() {
  if (!others_) {
    stop_if_asked();
    const ImagePool pool = draw_image_pool(
        *setup_.source, "val", setup_.val_class, {kOtherImages}, setup_.options.seed, std::max(1, max_threads()),
        [this](const std::string& line) { progress_.warn("broken image: " + line); });
    others_ = prepare(pool, state_.learner->input_size(), setup_.preprocessing);
  }
  return *others_;
}

}  // namespace nad
