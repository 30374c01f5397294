#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "nad/report/results_table.h"

namespace nad {
namespace {

using Json = nlohmann::ordered_json;

// NaN has no form in JSON.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json settings_json(const Results& results) {
  const RunSettings& s = results.settings;
  Json json = {{"arch", s.arch},
               {"weights_file", s.weights_file},
               {"weights_hash", s.weights_hash},
               {"num_classes", s.num_classes},
               {"input_size", s.input_size},
               {"data", s.data},
               {"objective", s.objective},
               {"beta", number(s.beta)},
               {"beta_auto", !results.beta_search.beta.empty()},
               {"lr", s.lr},
               {"epochs", s.epochs},
               {"steps", s.steps},
               {"least_steps", s.least_steps},
               {"batch", s.batch},
               {"classes_per_step", s.classes_per_step},
               {"seed", s.seed},
               {"order_seed", s.order_seed},
               {"half", s.half},
               {"device", s.device},
               {"device_description", s.device_description},
               {"conv", s.conv},
               {"precision", s.precision},
               {"threads", s.threads},
               {"command_line", s.command_line}};
  if (s.random_weights) json["random_weights"] = *s.random_weights;
  if (s.shuffled_labels) json["shuffled_labels"] = *s.shuffled_labels;
  if (s.whole_batch) json["whole_batch"] = true;
  if (!s.shows_others()) return json;
  json["specific_target"] = s.specific_target;
  json["lambda"] = number(s.lambda);
  json["max_false_alarms"] = number(s.max_false_alarms);
  json["negatives"] = s.negatives;
  json["negative_classes"] = s.negative_classes;
  return json;
}

Json class_json(const RunSettings& settings, const ClassResult& c) {
  Json json = {{"index", c.index}, {"id", c.id}, {"name", c.name}, {"finished", c.finished}};
  if (!c.error.empty()) json["error"] = c.error;
  json["steps"] = c.steps;
  json["skipped_steps"] =
      std::count_if(c.history.begin(), c.history.end(), [](const StepRecord& s) { return s.skipped; });
  json["loss"] = number(c.last_loss());
  json["kept_percent"] = number(c.kept_percent());
  json["top1_before"] = number(c.top1_before);
  json["top1_after"] = number(c.top1_after);
  json["false_alarms"] = number(c.false_alarms);
  if (settings.splits_others()) {
    json["false_alarms_shown"] = number(c.false_alarms_shown);
    json["false_alarms_unshown"] = number(c.false_alarms_unshown);
  }
  json["other_images"] = c.other_images;
  json["constant_answer"] = std::isnan(c.false_alarms) ? Json(nullptr) : Json(c.constant_answer());
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
  add("first", s.mean_reconstruction);
  add("regular", s.mean_regularisation);
  add("distance", s.distance);
  return json;
}

}  // namespace

void write_json(const Results& results, const std::vector<int64_t>& classes, const std::string& path,
                std::ostream& out) {
  Json json = {{"program", results.settings.program}, {"settings", settings_json(results)}};
  if (!results.beta_search.beta.empty()) json["beta_search"] = search_json(results.beta_search);
  json["gates"] = Json::array();
  for (size_t i = 0; i < results.channels.size(); i++) {
    json["gates"].push_back({{"name", results.gate_names[i]}, {"channels", results.channels[i]}});
  }
  json["classes"] = Json::array();
  for (const int64_t index : classes) {
    const auto found = results.classes.find(index);
    if (found != results.classes.end()) json["classes"].push_back(class_json(results.settings, found->second));
  }
  const Averages a = averages(results, classes);
  json["average"] = {{"classes", a.finished},
                     {"failed", a.failed},
                     {"loss", number(a.loss)},
                     {"kept_percent", number(a.kept)},
                     {"top1_before", number(a.before)},
                     {"top1_after", number(a.after)},
                     {"false_alarms", number(a.false_alarms)},
                     {"constant_answers", a.constant},
                     {"seconds", number(a.seconds)}};
  if (results.settings.splits_others()) {
    json["average"]["false_alarms_shown"] = number(a.false_alarms_shown);
    json["average"]["false_alarms_unshown"] = number(a.false_alarms_unshown);
  }
  json["out"] = path;
  // Names that are no UTF-8 are shown with replacement characters rather than refused.
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace nad
