// The parts of a results file (weights/FORMAT.md, "Results"), each once: what its writer and its reader go by.
#pragma once

#include "nad/store/results.h"

namespace nad {

inline constexpr int64_t kResultsVersion = 1;
inline constexpr const char* kResultsKind = "nad results";

// Each visit: name of the attribute, value.
template <class Settings, class Visit>
void visit_settings(Settings& s, Visit&& visit) {
  visit("arch", s.arch);
  visit("weights_hash", s.weights_hash);
  visit("objective", s.objective);
  visit("precision", s.precision);
  visit("device", s.device);
  visit("beta", s.beta);
  visit("lr", s.lr);
  visit("epochs", s.epochs);
  visit("steps", s.steps);
  visit("batch", s.batch);
  visit("seed", s.seed);
  visit("weights_file", s.weights_file);
  visit("data", s.data);
  visit("program", s.program);
  visit("command_line", s.command_line);
  visit("device_description", s.device_description);
  visit("threads", s.threads);
  visit("classes_per_step", s.classes_per_step);
  visit("input_size", s.input_size);
  visit("num_classes", s.num_classes);
}

// Those that files written before them lack.
template <class Settings, class Visit>
void visit_later_settings(Settings& s, Visit&& visit) {
  visit("conv", s.conv);
  visit("conv_choices", s.conv_choices);
  visit("least_steps", s.least_steps);
  visit("order_seed", s.order_seed);
  visit("half", s.half);
  visit("image_decoders", s.image_decoders);
}

// Those that only files of RunSettings::shows_others() have.
template <class Settings, class Visit>
void visit_specific_settings(Settings& s, Visit&& visit) {
  visit("specific_target", s.specific_target);
  visit("lambda", s.lambda);
  visit("negatives", s.negatives);
  visit("negative_classes", s.negative_classes);
  visit("negatives_hash", s.negatives_hash);
}

// Those that only files of a control have, each where it holds: seeds, and whole_batch where it is true.
template <class Settings, class Visit>
void visit_control_settings(Settings& s, Visit&& visit) {
  visit("random_weights", s.random_weights);
  visit("shuffled_labels", s.shuffled_labels);
}

// Those that files written before them lack.
template <class Settings, class Visit>
void visit_later_specific_settings(Settings& s, Visit&& visit) {
  visit("max_false_alarms", s.max_false_alarms);
}

template <class Class, class Visit>
void visit_class(Class& c, Visit&& visit) {
  visit("id", c.id);
  visit("name", c.name);
  visit("steps", c.steps);
  visit("finished", c.finished);
  visit("error", c.error);
  visit("error_code", c.error_code);
  visit("top1_before", c.top1_before);
  visit("top1_after", c.top1_after);
  visit("train_images", c.train_images);
  visit("val_images", c.val_images);
  visit("broken_images", c.broken_images);
  visit("images_hash", c.images_hash);
  visit("seconds", c.seconds);
}

template <class Class, class Visit>
void visit_later_class(Class& c, Visit&& visit) {
  visit("false_alarms", c.false_alarms);
  visit("other_images", c.other_images);
}

// Those that only files of RunSettings::splits_others() have.
template <class Class, class Visit>
void visit_split_class(Class& c, Visit&& visit) {
  visit("false_alarms_shown", c.false_alarms_shown);
  visit("false_alarms_unshown", c.false_alarms_unshown);
}

// Of a class in progress, where RunSettings::follows_limit().
template <class Point, class Visit>
void visit_point(Point& p, Visit&& visit) {
  visit("next_beta", p.beta);
  visit("next_lambda", p.lambda);
  visit("mean_false_alarms", p.false_alarms);
  visit("mean_surplus", p.surplus);
}

// Each visit: name of the dataset, values, whether there is one per class. The names are those of the first version:
// `first` is the reconstruction term, `regular` the regularising one.
template <class Search, class Visit>
void visit_search(Search& s, Visit&& visit) {
  visit("first", s.reconstruction, true);
  visit("regular", s.regularisation, true);
  visit("mean_first", s.mean_reconstruction, false);
  visit("mean_regular", s.mean_regularisation, false);
  visit("distance", s.distance, false);
}

}  // namespace nad
