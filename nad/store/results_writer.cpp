#include "nad/store/results_layout.h"
#include "weights/durable_file.h"
#include "weights/hdf5_writer.h"

namespace nad {
namespace {

using hdf5::Handle;
using hdf5::Writer;

// What the steps of a class found out.
void write_history(const Writer& writer, hid_t id, const std::vector<StepRecord>& history,
                   const RunSettings& settings) {
  std::vector<double> losses, specificity, beta, lambda;
  std::vector<int32_t> correct, own_answered, others_answered;
  std::vector<uint8_t> skipped;
  for (const StepRecord& step : history) {
    losses.insert(losses.end(), {step.total, step.reconstruction, step.regularisation, step.cross_entropy});
    correct.push_back(step.correct);
    skipped.push_back(step.skipped);
    specificity.push_back(step.specificity);
    own_answered.push_back(step.own_answered);
    others_answered.push_back(step.others_answered);
    beta.push_back(step.beta);
    lambda.push_back(step.lambda);
  }
  writer.dataset(id, "losses", losses, {history.size(), 4});
  writer.dataset(id, "correct", correct);
  writer.dataset(id, "skipped", skipped);
  if (!settings.shows_others()) return;
  writer.dataset(id, "specificity", specificity);
  writer.dataset(id, "others_answered", others_answered);
  if (!settings.follows_limit()) return;
  writer.dataset(id, "own_answered", own_answered);
  writer.dataset(id, "beta", beta);
  writer.dataset(id, "lambda", lambda);
}

void write_class(const Writer& writer, hid_t parent, const ClassResult& c, const RunSettings& settings) {
  const Handle group = writer.group(parent, std::to_string(c.index));
  const hid_t id = group.get();
  const auto write = [&](const char* name, const auto& value) { writer.attribute(id, name, value); };
  visit_class(c, write);
  visit_later_class(c, write);
  if (settings.splits_others()) visit_split_class(c, write);
  if (c.logits.empty()) return;
  writer.per_gate(id, "logits", c.logits);
  std::vector<std::vector<uint8_t>> masks;
  for (const std::vector<float>& gate : c.logits) {
    masks.emplace_back();
    for (const float logit : gate) masks.back().push_back(in_mask(logit));
  }
  writer.per_gate(id, "mask", masks);
  if (!c.sigma.empty()) writer.per_gate(id, "sigma", c.sigma);
  if (!c.moments.mean.empty()) {
    writer.per_gate(id, "adam_mean", c.moments.mean);
    writer.per_gate(id, "adam_square", c.moments.square);
    write("adam_steps", c.moments.steps);
    if (c.moments.point && settings.follows_limit()) visit_point(*c.moments.point, write);
  }
  write_history(writer, id, c.history, settings);
}

void write_search(const Writer& writer, const BetaSearch& s) {
  const Handle group = writer.group(writer.root(), "beta_search");
  writer.dataset(group.get(), "beta", s.beta);
  writer.dataset(group.get(), "classes", s.classes);
  visit_search(s, [&](const char* name, const std::vector<double>& values, bool per_class) {
    std::vector<hsize_t> shape = {s.beta.size()};
    if (per_class) shape.push_back(s.classes.size());
    writer.dataset(group.get(), name, values, shape);
  });
}

}  // namespace

void write_results(const std::string& path, const Results& results) {
  const Writer writer("results file");
  const auto write = [&](const char* name, const auto& value) { writer.attribute(writer.root(), name, value); };
  write("kind", std::string(kResultsKind));
  write("format_version", kResultsVersion);
  visit_settings(results.settings, write);
  visit_later_settings(results.settings, write);
  if (results.settings.shows_others()) {
    visit_specific_settings(results.settings, write);
    visit_later_specific_settings(results.settings, write);
  }
  visit_control_settings(results.settings, [&](const char* name, const std::optional<uint64_t>& seed) {
    if (seed) write(name, *seed);
  });
  if (results.settings.whole_batch) write("whole_batch", true);
  const BetaSearch& search = results.beta_search;
  write("beta_auto", !search.beta.empty());
  if (!search.beta.empty()) write_search(writer, search);
  const Handle gates = writer.group(writer.root(), "gates");
  writer.attribute(gates.get(), "names", results.gate_names);
  writer.attribute(gates.get(), "channels", results.channels);
  const Handle classes = writer.group(writer.root(), "classes");
  for (const auto& [index, result] : results.classes) {
    write_class(writer, classes.get(), result, results.settings);
  }
  write_durably(path, writer.bytes(), "results file");
}

}  // namespace nad
