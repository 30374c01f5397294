#include "nad/run/run_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "engine/cores.h"

namespace nad {
namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string mebibytes(size_t bytes) { return format("%.1f MiB", static_cast<double>(bytes) / (1 << 20)); }

std::string percent(double value) { return std::isnan(value) ? "-" : format("%.2f", value); }

// Columns that a terminal gives a character: two for East Asian ones and pictures, none for marks on others.
size_t columns_of(uint32_t c) {
  constexpr uint32_t kWide[][2] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                                   {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}};
  if (c >= 0x300 && c <= 0x36F) return 0;
  for (const auto& range : kWide) {
    if (c >= range[0] && c <= range[1]) return 2;
  }
  return 1;
}

// UTF-8 text cut to a number of columns and filled up with blanks.
std::string cell(const std::string& text, size_t width) {
  size_t end = 0, used = 0;
  while (end < text.size()) {
    const auto lead = static_cast<unsigned char>(text[end]);
    const size_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
    for (size_t i = 1; i < length && end + i < text.size(); i++) c = c << 6 | (text[end + i] & 0x3F);
    if (used + columns_of(c) > width) break;
    used += columns_of(c);
    end += length;
  }
  return text.substr(0, end) + std::string(width - used, ' ');
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

struct Averages {
  Average kept, before, after, loss, seconds;
  int64_t finished = 0, failed = 0;
};

// Of the classes that this run was asked for.
std::vector<const ClassResult*> asked_for(const RunSetup& setup) {
  std::vector<const ClassResult*> list;
  for (const ClassTask& task : setup.classes) {
    const auto found = setup.results.classes.find(task.index);
    if (found != setup.results.classes.end()) list.push_back(&found->second);
  }
  return list;
}

Averages average(const std::vector<const ClassResult*>& classes) {
  Averages a;
  for (const ClassResult* c : classes) {
    a.failed += !c->error.empty();
    if (!c->finished) continue;
    a.finished++;
    a.kept.add(c->kept_percent());
    a.before.add(c->top1_before);
    a.after.add(c->top1_after);
    a.loss.add(c->last_loss());
    a.seconds.add(c->seconds);
  }
  return a;
}

std::string row(const std::string& index, const std::string& id, const std::string& name, const std::string& steps,
                const std::string& loss, const std::string& kept, const std::string& before, const std::string& after,
                const std::string& seconds) {
  return format("%-6s %s %s %8s %10s %8s %8s %8s %9s\n", index.c_str(), cell(id, 12).c_str(), cell(name, 24).c_str(),
                steps.c_str(), loss.c_str(), kept.c_str(), before.c_str(), after.c_str(), seconds.c_str());
}

using Json = nlohmann::ordered_json;

// NaN has no form in JSON.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json settings_json(const RunSetup& setup) {
  const RunSettings& s = setup.settings;
  return {{"arch", s.arch},
          {"weights_file", s.weights_file},
          {"weights_hash", s.weights_hash},
          {"num_classes", s.num_classes},
          {"input_size", s.input_size},
          {"data", s.data},
          {"objective", s.objective},
          {"beta", number(s.beta)},
          {"beta_auto", !setup.results.beta_search.beta.empty()},
          {"lr", s.lr},
          {"epochs", s.epochs},
          {"steps", s.steps},
          {"batch", s.batch},
          {"classes_per_step", s.classes_per_step},
          {"seed", s.seed},
          {"device", s.device},
          {"device_description", s.device_description},
          {"conv", s.conv},
          {"precision", s.precision},
          {"threads", s.threads},
          {"command_line", s.command_line}};
}

Json class_json(const ClassResult& c) {
  Json json = {{"index", c.index}, {"id", c.id}, {"name", c.name}, {"finished", c.finished}};
  if (!c.error.empty()) json["error"] = c.error;
  json["steps"] = c.steps;
  json["skipped_steps"] = std::count(c.skipped.begin(), c.skipped.end(), 1);
  json["loss"] = number(c.last_loss());
  json["kept_percent"] = number(c.kept_percent());
  json["top1_before"] = number(c.top1_before);
  json["top1_after"] = number(c.top1_after);
  json["train_images"] = c.train_images;
  json["val_images"] = c.val_images;
  json["broken_images"] = c.broken_images;
  json["seconds"] = number(c.seconds);
  return json;
}

// The search of --beta auto: a point of each list belongs to one beta.
Json search_json(const BetaSearch& s) {
  Json json = {{"beta", s.beta}, {"classes", s.classes}};
  const auto add = [&](const char* name, const std::vector<double>& values) {
    for (const double value : values) json[name].push_back(number(value));
  };
  add("first", s.mean_first);
  add("regular", s.mean_regular);
  add("distance", s.distance);
  return json;
}

std::string beta_text(const RunSetup& s) {
  const double beta = s.settings.beta;
  if (std::isnan(beta)) {
    return format("auto (%zu values from %g to %g)", s.beta_grid.size(), s.beta_grid.front(), s.beta_grid.back());
  }
  return format("%g", beta) + (s.options.beta_auto ? " (auto, found before)" : s.options.beta ? "" : " (default)");
}

}  // namespace

void say_banner(const RunSetup& s, Progress& progress) {
  const RunSettings& r = s.settings;
  int64_t channels = 0;
  for (const GateInfo& gate : s.gates) channels += gate.channels;
  const auto line = [&](const char* name, const std::string& value) {
    progress.say(format("  %-14s", name) + value);
  };
  progress.say(r.program);
  line("weights", s.options.weights + " (fnv1a " + r.weights_hash + ")");
  line("network", r.arch + ", " + std::to_string(r.num_classes) + " classes, input " + std::to_string(r.input_size) +
                      "x" + std::to_string(r.input_size));
  line("gates", std::to_string(s.gates.size()) + " with " + std::to_string(channels) + " channels");
  int64_t train = 0, val = 0;
  for (const ClassTask& task : s.classes) {
    train += task.train_images;
    val += task.val_images;
  }
  line("images", s.source_name + ": train " + std::to_string(s.train_classes) + " classes, val " +
                     std::to_string(s.val_classes) + " classes; " + std::to_string(train) + " and " +
                     std::to_string(val) + " images of the chosen ones");
  line("classes", std::to_string(s.classes.size()) + " of " + std::to_string(r.num_classes) + ", " +
                      std::to_string(r.classes_per_step) + " per step" +
                      (s.options.classes_per_step == 0 ? " (auto)" : ""));
  line("objective", r.objective + ", beta " + beta_text(s) + format(", lr %g", r.lr));
  line("length", (r.steps > 0 ? std::to_string(r.steps) + " steps" : std::to_string(r.epochs) + " epochs") +
                     " per class, batch " + std::to_string(r.batch));
  line("seed", std::to_string(r.seed));
  line("device", r.device + ": " + r.device_description + " (" + s.device_choice + ")");
  const std::string about = s.context->backend().precision_note(s.options.precision);
  line("precision", r.precision + (about.empty() ? "" : " (" + about + ")"));
  line("threads", std::to_string(r.threads) + (s.options.threads == 0 ? " (" + describe_cores() + ")" : ""));
  line("evaluation", !s.options.eval ? "none" : s.val_classes > 0 ? "Top-1 on val" : "none, there are no val images");
  line("out", s.out + format(", saved every %g s and after every class", s.options.checkpoint_every));
  if (!s.results.classes.empty()) {
    const auto finished = std::count_if(s.results.classes.begin(), s.results.classes.end(),
                                        [](const auto& entry) { return entry.second.finished; });
    line("resumed", std::to_string(finished) + " classes are finished in " + s.out);
  }
  for (const std::string& note : s.notes) progress.say("note: " + note);
}

void say_memory(const RunSetup& s, const Learner& learner, Progress& progress) {
  const MemoryAccount a = learner.account();
  progress.say("  memory        weights " + mebibytes(a.weights) + ", activations " + mebibytes(a.activations) +
               ", scratch " + mebibytes(a.scratch) + ", state " + mebibytes(a.state) + ", total " +
               mebibytes(a.total()) + "; the largest batch that fits is about " +
               std::to_string(learner.largest_batch()) + " with " + std::to_string(s.slots) +
               (s.slots == 1 ? " class per step" : " classes per step"));
}

void write_table(const RunSetup& setup, std::ostream& out) {
  const std::vector<const ClassResult*> classes = asked_for(setup);
  out << row("class", "id", "name", "steps", "loss", "kept %", "before", "after", "seconds");
  for (const ClassResult* c : classes) {
    if (c->finished) {
      out << row(std::to_string(c->index), one_line(c->id), one_line(c->name), std::to_string(c->steps),
                 std::isnan(c->last_loss()) ? "-" : format("%.6f", c->last_loss()), percent(c->kept_percent()),
                 percent(c->top1_before), percent(c->top1_after), format("%.1f", c->seconds));
    } else {
      out << format("%-6lld ", static_cast<long long>(c->index)) << one_line(c->id)
          << " failed: " << one_line(c->error) << "\n";
    }
  }
  const Averages a = average(classes);
  out << row("mean", "", "of " + std::to_string(a.finished) + " classes", "",
             std::isnan(a.loss.value()) ? "-" : format("%.6f", a.loss.value()), percent(a.kept.value()),
             percent(a.before.value()), percent(a.after.value()),
             format("%.1f", a.finished ? a.seconds.value() : 0.0));
}

void write_json(const RunSetup& setup, std::ostream& out) {
  const std::vector<const ClassResult*> classes = asked_for(setup);
  const Averages a = average(classes);
  Json json = {{"program", setup.settings.program}, {"settings", settings_json(setup)}};
  const BetaSearch& search = setup.results.beta_search;
  if (!search.beta.empty()) json["beta_search"] = search_json(search);
  json["gates"] = Json::array();
  for (const GateInfo& gate : setup.gates)
    json["gates"].push_back({{"name", gate.name}, {"channels", gate.channels}});
  json["classes"] = Json::array();
  for (const ClassResult* c : classes) json["classes"].push_back(class_json(*c));
  json["average"] = {{"classes", a.finished},
                     {"failed", a.failed},
                     {"loss", number(a.loss.value())},
                     {"kept_percent", number(a.kept.value())},
                     {"top1_before", number(a.before.value())},
                     {"top1_after", number(a.after.value())},
                     {"seconds", number(a.seconds.value())}};
  json["out"] = setup.out;
  // Names that are no UTF-8 are shown with replacement characters rather than refused.
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

void write_profile(const std::vector<Learner::Timing>& timings, std::ostream& out) {
  double total = 0;
  std::map<std::string, double> sums;
  for (const Learner::Timing& t : timings) {
    total += t.seconds;
    sums[t.op + (t.backward ? " backward" : "")] += t.seconds;
  }
  const auto share = [&](double seconds) { return 100 * seconds / std::max(total, 1e-12); };
  out << format("%-52s %-20s %10s %7s\n", "kernel", "op", "ms", "%");
  for (const Learner::Timing& t : timings) {
    out << format("%s %-20s %10.3f %7.2f\n", cell(t.name, 52).c_str(),
                  (t.op + (t.backward ? " backward" : "")).c_str(), 1000 * t.seconds, share(t.seconds));
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [op, seconds] : sums) order.emplace_back(seconds, op);
  std::sort(order.rbegin(), order.rend());
  out << "\n" << format("%-30s %10s %7s\n", "per op", "ms", "%");
  for (const auto& [seconds, op] : order) {
    out << format("%-30s %10.3f %7.2f\n", op.c_str(), 1000 * seconds, share(seconds));
  }
  out << format("%-30s %10.3f\n", "step", 1000 * total);
}

}  // namespace nad
