#include "nad/report/results_table.h"

#include <cmath>
#include <ostream>

#include "nad/report/text.h"

namespace nad {
namespace {

std::string percent(double value) { return std::isnan(value) ? "-" : format("%.2f", value); }
std::string loss_text(double value) { return std::isnan(value) ? "-" : format("%.6f", value); }

// Those of `classes` that the results have.
std::vector<const ClassResult*> listed(const Results& results, const std::vector<int64_t>& classes) {
  std::vector<const ClassResult*> list;
  for (const int64_t index : classes) {
    const auto found = results.classes.find(index);
    if (found != results.classes.end()) list.push_back(&found->second);
  }
  return list;
}

struct Average {
  double sum = 0;
  int64_t count = 0;
  void add(double value) {
    if (std::isnan(value)) return;
    sum += value;
    count++;
  }
  double value() const { return count ? sum / static_cast<double>(count) : ClassResult::kNone; }
};

std::string row(const std::string& index, const std::string& id, const std::string& name, const std::string& steps,
                const std::string& loss, const std::string& kept, const std::string& before, const std::string& after,
                const std::string& false_alarms, const std::string& split, const std::string& seconds) {
  return format("%-6s %s %s %8s %10s %8s %8s %8s %13s%s %9s\n", index.c_str(), cell(id, 12).c_str(),
                cell(name, 24).c_str(), steps.c_str(), loss.c_str(), kept.c_str(), before.c_str(), after.c_str(),
                false_alarms.c_str(), split.c_str(), seconds.c_str());
}

// The columns of false alarms on shown classes and on those never shown; empty where no class is left out.
std::string split_columns(const RunSettings& settings, const std::string& shown, const std::string& unshown) {
  return settings.splits_others() ? format(" %8s %11s", shown.c_str(), unshown.c_str()) : "";
}

std::string row(const RunSettings& settings, const ClassResult& c) {
  return row(std::to_string(c.index), one_line(c.id), one_line(c.name), std::to_string(c.steps),
             loss_text(c.last_loss()), percent(c.kept_percent()), percent(c.top1_before), percent(c.top1_after),
             percent(c.false_alarms) + (c.constant_answer() ? "!" : ""),
             split_columns(settings, percent(c.false_alarms_shown), percent(c.false_alarms_unshown)),
             format("%.1f", c.seconds));
}

}  // namespace

std::vector<int64_t> all_classes(const Results& results) {
  std::vector<int64_t> indices;
  for (const auto& [index, result] : results.classes) indices.push_back(index);
  return indices;
}

std::string control_text(const RunSettings& settings) {
  std::string text;
  const auto add = [&](const char* what, const std::optional<uint64_t>& seed) {
    if (seed) text += (text.empty() ? "" : ", ") + std::string(what) + " (seed " + std::to_string(*seed) + ")";
  };
  add("random weights", settings.random_weights);
  add("shuffled labels", settings.shuffled_labels);
  if (settings.whole_batch) text += (text.empty() ? "" : "; ") + std::string("K is the whole batch");
  return text;
}

Averages averages(const Results& results, const std::vector<int64_t>& classes) {
  Averages a;
  Average kept, before, after, false_alarms, shown, unshown, loss, seconds;
  for (const ClassResult* c : listed(results, classes)) {
    a.failed += !c->error.empty();
    if (!c->finished) continue;
    a.finished++;
    kept.add(c->kept_percent());
    before.add(c->top1_before);
    after.add(c->top1_after);
    false_alarms.add(c->false_alarms);
    shown.add(c->false_alarms_shown);
    unshown.add(c->false_alarms_unshown);
    a.constant += c->constant_answer();
    loss.add(c->last_loss());
    seconds.add(c->seconds);
  }
  a.kept = kept.value();
  a.before = before.value();
  a.after = after.value();
  a.false_alarms = false_alarms.value();
  a.false_alarms_shown = shown.value();
  a.false_alarms_unshown = unshown.value();
  a.loss = loss.value();
  a.seconds = seconds.value();
  return a;
}

void write_table(const Results& results, const std::vector<int64_t>& classes, std::ostream& out) {
  const RunSettings& settings = results.settings;
  const std::string control = control_text(settings);
  if (!control.empty()) out << "Control: " << control << "\n";
  out << row("class", "id", "name", "steps", "loss", "kept %", "before", "after", "false alarms",
             split_columns(settings, "shown", "never shown"), "seconds");
  for (const ClassResult* c : listed(results, classes)) {
    if (c->finished) {
      out << row(settings, *c);
      continue;
    }
    out << format("%-6lld ", static_cast<long long>(c->index)) << one_line(c->id);
    if (c->error.empty()) {
      out << " in progress: step " << c->taken() << " of " << c->steps << "\n";
    } else {
      out << " failed: " << one_line(c->error) << "\n";
    }
  }
  const Averages a = averages(results, classes);
  out << row("mean", "", "of " + std::to_string(a.finished) + " classes", "", loss_text(a.loss), percent(a.kept),
             percent(a.before), percent(a.after), percent(a.false_alarms),
             split_columns(settings, percent(a.false_alarms_shown), percent(a.false_alarms_unshown)),
             format("%.1f", a.finished ? a.seconds : 0.0));
  if (a.constant > 0) {
    out << "! constant answer, " << a.constant << " of " << a.finished
        << ": it calls more than half of other classes' images its own, so its accuracy says nothing.\n";
  } else if (!std::isnan(a.after) && std::isnan(a.false_alarms)) {
    out << "The accuracy after does not prove disentanglement by itself: a network that always answers its class has "
           "100 %.\n";
  }
}

}  // namespace nad
