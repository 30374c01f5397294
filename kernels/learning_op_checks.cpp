#include "kernels/learning_op_checks.h"

#include <string>

namespace nad {
namespace {

using namespace checks;

void check_groups(const char* op, const Groups& groups, const CTensor* samples) {
  require(groups.count > 0 && groups.batch > 0, op, "the number of groups and their batch must be positive");
  require(!groups.others || groups.batch % 2 == 0, op, "own images and others are the two halves of an even batch");
  if (!samples) return;
  check_view(op, "samples", *samples);
  if (samples->shape.n != groups.count * groups.batch) {
    fail(op, "the tensor " + to_string(samples->shape) + " does not hold " + std::to_string(groups.count) +
                 " groups of " + std::to_string(groups.batch) + " samples");
  }
}

void check_logits(const char* op, const Groups& groups, const CTensor& logits, const int32_t* labels) {
  check_groups(op, groups, &logits);
  check_shape(op, "logits", logits, {logits.shape.n, 1, 1, logits.shape.c});
  require(groups.valid != nullptr, op, "the number of valid samples per group is missing");
  require(labels != nullptr, op, "labels are missing");
}

}  // namespace

void check_args(const ClassifyArgs& a) {
  check_logits("classify", a.groups, a.logits, a.labels);
  require(a.predicted && a.tap_weight && a.correct_count && a.apply, "classify", "an output has no memory");
  require(!a.groups.others || a.apart_count, "classify", "apart_count has no memory");
}

void check_args(const SoftmaxLossArgs& a) {
  check_logits("softmax_loss", a.groups, a.logits, a.labels);
  check_shape("softmax_loss", "dlogits", a.dlogits, a.logits.shape);
  require(a.loss != nullptr, "softmax_loss", "the loss has no memory");
  require(!a.groups.others, "softmax_loss", "it has no term for images of other classes");
}

void check_args(const SpecificLossArgs& a) {
  const char* op = "specific_loss";
  check_logits(op, a.groups, a.logits, a.labels);
  check_shape(op, "original", a.original, a.logits.shape);
  check_shape(op, "dlogits", a.dlogits, a.logits.shape);
  require(a.logits.shape.c >= 2, op, "a network of one class has no other classes");
  require(a.groups.others && a.predicted && a.apart_count && a.hyper, op, "an argument has no memory");
  require(a.cross_entropy && a.specificity && a.own_answered && a.others_answered, op, "an output has no memory");
}

void check_args(const GateValuesArgs& a) {
  check_groups("gate_values", a.groups, nullptr);
  require(a.channels > 0, "gate_values", "the number of channels must be positive");
  require(a.logits && a.table, "gate_values", "logits or table have no memory");
  require(a.objective != Objective::variational || (a.sigma && a.noise), "gate_values",
          "the variational objective needs sigma and noise");
}

void check_args(const GateNoiseArgs& a) {
  check_groups("gate_noise", a.groups, nullptr);
  require(a.channels > 0, "gate_noise", "the number of channels must be positive");
  require(a.key && a.step && a.noise, "gate_noise", "key, step or noise have no memory");
}

void check_args(const GateStatisticsArgs& a) {
  check_groups("gate_statistics", a.groups, &a.original);
  require(a.groups.valid && a.sum_square, "gate_statistics", "valid or sum_square have no memory");
  require(!a.sigma || (a.sum_log && a.sum_ratio), "gate_statistics", "sigma needs sum_log and sum_ratio");
}

void check_args(const GateUpdateArgs& a) {
  const char* op = "gate_update";
  check_groups(op, a.groups, nullptr);
  require(a.channels > 0 && a.plane > 0 && a.gates > 0, op, "channels, plane and gates must be positive");
  require(a.groups.valid && a.hyper && a.apply && a.dgate && a.logits && a.gradient && a.terms, op,
          "an argument has no memory");
  if (uses_taps(a.objective)) {
    require(a.tap_weight && a.tap_sum, op, "this objective needs tap_weight and tap_sum");
  } else {
    require(a.sum_square != nullptr, op, "this objective needs sum_square");
  }
  if (a.objective == Objective::variational) {
    require(a.sum_log && a.sum_ratio && a.noise && a.sigma, op,
            "the variational objective needs sum_log, sum_ratio, noise and sigma");
  }
  if (a.objective == Objective::specific) {
    require(a.adam_mean && a.adam_square && a.adam_steps, op, "the specific objective needs Adam's state");
  }
}

void check_args(const OperatingPointArgs& a) {
  const char* op = "operating_point";
  check_groups(op, a.groups, nullptr);
  require(a.groups.valid && a.groups.others && a.apply && a.correct_count && a.apart_count && a.own_answered &&
              a.others_answered,
          op, "an argument has no memory");
  require(a.full_beta && a.hyper && a.means && a.weights, op, "an output has no memory");
  require(a.max_false_alarms >= 0 && a.max_false_alarms < 1, op, "the limit must be a share");
}

void check_args(const AugmentArgs& a) {
  const Shape& s = a.y.shape;
  require(a.y && a.y.dense() && s.c == 3 && s.h == s.w && s.h > 0, "augment", "y must be dense [N, S, S, 3]");
  require(a.samples && a.byte_values, "augment", "samples or byte_values have no memory");
  require(a.max_side > 0, "augment", "the largest side of an image must be positive");
}

}  // namespace nad
