// From a case (tests/cases.h) to a problem (tests/compare.h): losses and gate learning.
#pragma once

#include <array>

#include "tests/build_problem.h"

namespace nad::test {

inline Groups groups_on(const Placed& placed, int64_t groups, int64_t batch, int valid) {
  return {groups, batch, placed.pointer<int32_t>(valid)};
}

// The problems' op table is the engine's; the context's backend has the other one.
inline const LearningOps& learning_ops(Planner& planner) {
  return learning_backend(planner.context().backend()).learning_ops();
}

inline std::string loss_text(const LossCase& c) {
  return std::to_string(c.groups) + "x" + std::to_string(c.batch) + " samples, " + std::to_string(c.classes) +
         " classes" + (c.binary ? ", binary" : "");
}

// Logits whose first maximum is the label for about half of the samples. Exact data holds equal maxima.
struct LogitArrays {
  int logits, labels, valid;
};
inline LogitArrays add_logits(Builder& b, const LossCase& c) {
  LogitArrays arrays{};
  arrays.logits = b.host_input("logits", {c.groups * c.batch, 1, 1, c.classes});
  Array& logits = b.array(arrays.logits);
  std::vector<int32_t> labels;
  for (int64_t n = 0; n < logits.shape.n; ++n) {
    int64_t best = 0;
    for (int64_t k = 0; k < c.classes; ++k) {
      const int64_t i = n * c.classes + k;
      // sharper from sample to sample: the last ones reach probabilities that the clamps of Eq. 12 act on
      if (!b.exact()) logits.set(i, logits.get<float>(i) * static_cast<float>(4 << std::min<int64_t>(n, 5)));
      if (logits.get<float>(i) > logits.get<float>(n * c.classes + best)) best = k;
    }
    if (c.broken && n + 1 == logits.shape.n) logits.set(n * c.classes, std::numeric_limits<float>::infinity());
    labels.push_back(static_cast<int32_t>(n % 2 ? best : (best + n) % c.classes));
  }
  arrays.labels = b.sample_input("labels", labels);
  arrays.valid = b.flat_input("valid", c.valid);
  b.problem.separable = false;
  b.problem.relative = 1e-6;
  return arrays;
}

inline Problem classify_problem(const LossCase& c, Data data) {
  Builder b("classify " + loss_text(c), data);
  const LogitArrays in = add_logits(b, c);
  const int64_t samples = c.groups * c.batch;
  const int predicted = b.sample_output("predicted", Type::i32, samples);
  const int weight = b.sample_output("tap_weight", Type::f32, samples);
  const int count = b.flat_output("correct_count", Type::i32, c.groups);
  const int apply = b.flat_output("apply", Type::i32, c.groups);
  b.problem.plan = [=, groups = c.groups, batch = c.batch, needs = !c.binary](Planner& planner, const OpTable&,
                                                                              const Placed& placed) {
    return learning_ops(planner).classify(
        planner, {groups_on(placed, groups, batch, in.valid), placed.tensor(in.logits),
                  placed.pointer<int32_t>(in.labels), needs, placed.pointer<int32_t>(predicted),
                  placed.pointer<float>(weight), placed.pointer<int32_t>(count), placed.pointer<int32_t>(apply)});
  };
  return b.finish();
}

inline std::string specific_text(const SpecificCase& c) {
  return std::string(c.target == SpecificTarget::all ? "all" : "class") + " " + std::to_string(c.groups) + "x" +
         std::to_string(c.batch) + " samples, " + std::to_string(c.classes) + " classes";
}

// What classify makes of the original's logits, about half of the others taken for the group's class; gated logits.
struct SpecificArrays {
  int original, logits, labels, predicted, valid, others, apart, hyper;
};
inline SpecificArrays add_specific(Builder& b, const SpecificCase& c) {
  SpecificArrays arrays{};
  const Shape shape{c.groups * c.batch, 1, 1, c.classes};
  arrays.original = b.host_input("original", shape);
  arrays.logits = b.host_input("logits", shape, kSlab);
  std::vector<int32_t> labels, predicted, apart(static_cast<size_t>(c.groups), 0);
  for (int64_t n = 0; n < shape.n; ++n) {
    const int64_t g = n / c.batch, place = n % c.batch, other = place - c.batch / 2;
    for (int64_t k = 0; k < c.classes && !b.exact(); ++k) {
      for (const int array : {arrays.original, arrays.logits}) {
        Array& logits = b.array(array);  // sharper from sample to sample: the last ones are certain
        logits.set(n * c.classes + k,
                   logits.get<float>(n * c.classes + k) * static_cast<float>(4 << std::min<int64_t>(place, 5)));
      }
    }
    const auto label = static_cast<int32_t>((5 * g + 1) % c.classes);
    labels.push_back(label);
    predicted.push_back(static_cast<int32_t>((label + place % 2) % c.classes));
    if (other >= 0 && other < c.others[static_cast<size_t>(g)]) apart[static_cast<size_t>(g)] += place % 2;
  }
  std::vector<float> hyper;
  for (int64_t g = 0; g < c.groups; ++g) {
    for (const float v : {0.1f, 0.45f, 1.5f + static_cast<float>(g)}) hyper.push_back(v);
  }
  arrays.labels = b.sample_input("labels", labels);
  arrays.predicted = b.sample_input("predicted", predicted);
  arrays.valid = b.flat_input("valid", c.valid);
  arrays.others = b.flat_input("others", c.others);
  arrays.apart = b.flat_input("apart_count", apart);
  arrays.hyper = b.flat_input("hyper", hyper);
  b.problem.separable = false;
  b.problem.relative = 1e-6;
  return arrays;
}

inline Problem specific_loss_problem(const SpecificCase& c, Data data) {
  Builder b("specific_loss " + specific_text(c), data);
  const SpecificArrays in = add_specific(b, c);
  const int cross_entropy = b.flat_output("cross_entropy", Type::f64, c.groups);
  const int specificity = b.flat_output("specificity", Type::f64, c.groups);
  const int own_answered = b.flat_output("own_answered", Type::i32, c.groups);
  const int answered = b.flat_output("others_answered", Type::i32, c.groups);
  const int dlogits = b.output("dlogits", {c.groups * c.batch, 1, 1, c.classes});
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& p) {
    return learning_ops(planner).specific_loss(
        planner, {{c.groups, c.batch, p.pointer<int32_t>(in.valid), p.pointer<int32_t>(in.others)},
                  p.tensor(in.original),
                  p.tensor(in.logits),
                  p.pointer<int32_t>(in.labels),
                  p.pointer<int32_t>(in.predicted),
                  p.pointer<int32_t>(in.apart),
                  p.pointer<float>(in.hyper),
                  c.target,
                  p.pointer<double>(cross_entropy),
                  p.pointer<double>(specificity),
                  p.pointer<int32_t>(own_answered),
                  p.pointer<int32_t>(answered),
                  p.tensor(dlogits)});
  };
  return b.finish();
}

// The original's logits of own images and others.
inline Problem classify_others_problem(const SpecificCase& c, Data data) {
  Builder b("classify with others " + specific_text(c), data);
  const SpecificArrays in = add_specific(b, c);
  const int64_t samples = c.groups * c.batch;
  const int predicted = b.sample_output("predicted out", Type::i32, samples);
  const int weight = b.sample_output("tap_weight", Type::f32, samples);
  const int count = b.flat_output("correct_count", Type::i32, c.groups);
  const int apply = b.flat_output("apply", Type::i32, c.groups);
  const int apart = b.flat_output("apart_count out", Type::i32, c.groups);
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& p) {
    return learning_ops(planner).classify(
        planner, {{c.groups, c.batch, p.pointer<int32_t>(in.valid), p.pointer<int32_t>(in.others)},
                  p.tensor(in.original),
                  p.pointer<int32_t>(in.predicted),
                  true,
                  p.pointer<int32_t>(predicted),
                  p.pointer<float>(weight),
                  p.pointer<int32_t>(count),
                  p.pointer<int32_t>(apply),
                  p.pointer<int32_t>(apart)});
  };
  return b.finish();
}

inline Problem softmax_loss_problem(const LossCase& c, Data data) {
  Builder b("softmax_loss " + loss_text(c), data);
  const LogitArrays in = add_logits(b, c);
  const int loss = b.flat_output("loss", Type::f64, c.groups);
  const int dlogits = b.output("dlogits", {c.groups * c.batch, 1, 1, c.classes});
  b.problem.plan = [=, groups = c.groups, batch = c.batch, binary = c.binary](Planner& planner, const OpTable&,
                                                                              const Placed& placed) {
    return learning_ops(planner).softmax_loss(
        planner,
        {groups_on(placed, groups, batch, in.valid), placed.tensor(in.logits), placed.pointer<int32_t>(in.labels),
         binary, 0.25f, placed.pointer<double>(loss), placed.tensor(dlogits)});
  };
  return b.finish();
}

inline std::string gate_text(const GateCase& c) {
  constexpr const char* kNames[] = {"released", "paper", "variational", "specific"};
  return std::string(kNames[static_cast<int>(c.objective)]) + " " + std::to_string(c.groups) + "x" +
         std::to_string(c.batch) + " samples, " + std::to_string(c.channels) + " channels, plane " +
         std::to_string(c.plane);
}

inline int64_t table_rows(const GateCase& c) {
  return 1 + c.groups * (c.objective == Objective::variational ? c.batch : 1);
}

inline Problem gate_values_problem(const GateCase& c, Data data) {
  Builder b("gate_values " + gate_text(c), data);
  const int logits = b.flat_input("logits", b.uniform(c.groups * c.channels, -6, 6));
  const int sigma = b.flat_input("sigma", b.uniform(c.groups * c.channels, -4, 4));
  const int noise = b.flat_input("noise", b.uniform(c.groups * c.batch * c.channels, -2, 2));
  const int table = b.flat_output("table", Type::f32, table_rows(c) * c.channels);
  b.problem.separable = false;
  b.problem.relative = 1e-6;
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& placed) {
    return learning_ops(planner).gate_values(planner, {{c.groups, c.batch, nullptr},
                                                       c.objective,
                                                       c.channels,
                                                       placed.pointer<float>(logits),
                                                       placed.pointer<float>(sigma),
                                                       placed.pointer<float>(noise),
                                                       placed.pointer<float>(table)});
  };
  return b.finish();
}

inline Problem gate_noise_problem(const GateCase& c, Data data) {
  Builder b("gate_noise " + gate_text(c), data);
  std::vector<uint64_t> keys, steps;
  for (int64_t g = 0; g < c.groups; ++g) keys.push_back(b.key()), steps.push_back(static_cast<uint64_t>(g * 3 + 1));
  const int key = b.flat_input("key", keys), step = b.flat_input("step", steps);
  const int noise = b.flat_output("noise", Type::f32, c.groups * c.batch * c.channels);
  b.problem.separable = false;
  b.problem.relative = 1e-7;  // equal on every backend, up to the last digit of the logarithm and the cosine
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& placed) {
    return learning_ops(planner).gate_noise(planner, {{c.groups, c.batch, nullptr},
                                                      c.channels,
                                                      7,
                                                      placed.pointer<uint64_t>(key),
                                                      placed.pointer<uint64_t>(step),
                                                      placed.pointer<float>(noise)});
  };
  return b.finish();
}

inline Problem gate_statistics_problem(const GateCase& c, Data data) {
  Builder b("gate_statistics " + gate_text(c), data);
  const int original = b.input("original", {c.groups * c.batch, 1, c.plane, c.channels}, c.groups > 1 ? kSlab : 0u);
  if (b.on_device()) {
    b.array(original).content = Content::rectified;
  } else {
    for (int64_t i = 0; i < b.array(original).count(); i += 3) b.array(original).set<float>(i, 0);  // after a ReLU
  }
  const bool variational = c.objective == Objective::variational;
  const int64_t values = c.groups * c.channels;
  const int sigma = variational ? b.flat_input("sigma", b.uniform(values, -4, 4)) : -1;
  const int valid = b.flat_input("valid", c.valid);
  const int square = b.flat_output("sum_square", Type::f64, values);
  const int log = variational ? b.flat_output("sum_log", Type::f64, values) : -1;
  const int ratio = variational ? b.flat_output("sum_ratio", Type::f64, values) : -1;
  b.problem.separable = false;
  b.problem.relative = 1e-6;
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& placed) {
    return learning_ops(planner).gate_statistics(
        planner, {groups_on(placed, c.groups, c.batch, valid), placed.tensor(original), placed.pointer<float>(sigma),
                  placed.pointer<double>(square), placed.pointer<double>(log), placed.pointer<double>(ratio)});
  };
  return b.finish();
}

inline std::vector<double> to_double(const std::vector<float>& values) { return {values.begin(), values.end()}; }

inline Problem gate_update_problem(const GateCase& c, Data data) {
  Builder b("gate_update " + gate_text(c), data);
  const int64_t samples = c.groups * c.batch, values = c.groups * c.channels;
  std::vector<float> hypers;
  for (int64_t g = 0; g < c.groups; ++g) {
    for (const float v : {0.1f + 0.1f * static_cast<float>(g), 0.45f, 1.0f}) hypers.push_back(v);
  }
  const int hyper = b.flat_input("hyper", hypers);
  std::vector<int32_t> applied;
  for (int32_t v : c.valid) applied.push_back(v > 0);
  const int apply = b.flat_input("apply", applied), valid = b.flat_input("valid", c.valid);
  const int weight = b.flat_input("tap_weight", b.uniform(samples, 0, 1));
  const int tap = b.flat_input("tap_sum", to_double(b.uniform(samples, 0, 50)));
  const int square = b.flat_input("sum_square", to_double(b.uniform(values, 0, 20)));
  const int log = b.flat_input("sum_log", to_double(b.uniform(values, -20, 5)));
  const int ratio = b.flat_input("sum_ratio", to_double(b.uniform(values, 0, 20)));
  const int dgate = b.flat_input("dgate", b.uniform(table_rows(c) * c.channels, -1, 1));
  const int noise = b.flat_input("noise", b.uniform(samples * c.channels, -2, 2));
  const int logits = b.flat_input("logits", b.uniform(values, -3, 3), true);
  const int sigma = b.flat_input("sigma", b.uniform(values, -4, 2), c.objective == Objective::variational);
  const int gradient = b.flat_output("gradient", Type::f32, values);
  const int terms = b.flat_output("terms", Type::f64, 2 * c.groups);
  const bool adam = c.objective == Objective::specific;
  const int mean = b.flat_input("adam_mean", b.uniform(values, -1, 1), adam);
  const int square_mean = b.flat_input("adam_square", b.uniform(values, 0, 1), adam);
  std::vector<uint64_t> taken;
  for (int64_t g = 0; g < c.groups; ++g) taken.push_back(static_cast<uint64_t>(1000 * g));
  const int steps = b.flat_input("adam_steps", taken, adam);
  b.problem.separable = false;
  b.problem.relative = 1e-6;
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& p) {
    return learning_ops(planner).gate_update(planner, {groups_on(p, c.groups, c.batch, valid),
                                                       c.objective,
                                                       c.channels,
                                                       c.plane,
                                                       5,
                                                       p.pointer<float>(hyper),
                                                       p.pointer<int32_t>(apply),
                                                       p.pointer<float>(weight),
                                                       p.pointer<double>(tap),
                                                       p.pointer<double>(square),
                                                       p.pointer<double>(log),
                                                       p.pointer<double>(ratio),
                                                       p.pointer<float>(dgate),
                                                       p.pointer<float>(noise),
                                                       p.pointer<float>(logits),
                                                       p.pointer<float>(sigma),
                                                       p.pointer<float>(gradient),
                                                       p.pointer<double>(terms),
                                                       p.pointer<float>(mean),
                                                       p.pointer<float>(square_mean),
                                                       p.pointer<uint64_t>(steps)});
  };
  return b.finish();
}

// Counts of all kinds; a group that is not applied, one without others, weights at both of their bounds.
inline Problem operating_point_problem(const SpecificCase& c, Data data) {
  Builder b("operating_point " + specific_text(c), data);
  std::vector<int32_t> apply, correct, apart, own, answered;
  std::vector<float> full, hypers;
  for (size_t g = 0; g < c.valid.size(); ++g) {
    const auto i = static_cast<int32_t>(g);
    apply.push_back(c.valid[g] > 0);
    correct.push_back(c.valid[g] / 2);
    own.push_back(c.valid[g] - i % 2);
    apart.push_back(c.others[g] - c.others[g] / 3);
    answered.push_back(i % 2 ? 0 : c.others[g]);
    full.push_back(2.0f + static_cast<float>(g));
    for (const float v : {0.1f, 0.45f, i % 2 ? 1.001f : 15.9f}) hypers.push_back(v);
  }
  const std::array<int, 7> counts = {
      b.flat_input("valid", c.valid),           b.flat_input("others", c.others),   b.flat_input("apply", apply),
      b.flat_input("correct_count", correct),   b.flat_input("apart_count", apart), b.flat_input("own_answered", own),
      b.flat_input("others_answered", answered)};
  const int full_beta = b.flat_input("full_beta", full), hyper = b.flat_input("hyper", hypers, true);
  const int means = b.flat_input("means", to_double(b.uniform(2 * c.groups, 0, 0.2)), true);
  const int weights = b.flat_output("weights", Type::f64, 2 * c.groups);
  b.problem.separable = false;
  b.problem.relative = 1e-6;
  b.problem.plan = [=](Planner& planner, const OpTable&, const Placed& p) {
    const auto count = [&](size_t i) { return p.pointer<int32_t>(counts[i]); };
    return learning_ops(planner).operating_point(planner, {{c.groups, c.batch, count(0), count(1)},
                                                           count(2),
                                                           count(3),
                                                           count(4),
                                                           count(5),
                                                           count(6),
                                                           0.05,
                                                           p.pointer<float>(full_beta),
                                                           p.pointer<float>(hyper),
                                                           p.pointer<double>(means),
                                                           p.pointer<double>(weights)});
  };
  return b.finish();
}

}  // namespace nad::test
