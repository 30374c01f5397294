#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "nad/analyse/analysis.h"
#include "nad/report/page.h"
#include "nad/report/script_json.h"
#include "nad/report/text.h"

namespace nad {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostPlainNumbers = 4096;  // of an array; more have a byte each

Json value_json(const std::string& text) { return text; }
Json value_json(int64_t number) { return number; }
// Six digits; JSON has no NaN.
Json value_json(double number) {
  if (!std::isfinite(number)) return nullptr;
  return std::strtod(format("%.6g", number).c_str(), nullptr);
}

template <class T>
Json list_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(value_json(value));
  return list;
}

Json facts_json(const Facts& facts) {
  Json json = Json::object();
  for (const auto& [name, fact] : facts) json[name] = std::visit([](const auto& v) { return value_json(v); }, fact);
  return json;
}

// Many numbers: byte b < 255 is low + b / 254 (high - low), 255 is NaN.
Json array_json(const Array& array) {
  Json json = {{"shape", array.shape}};
  if (array.values.size() <= kMostPlainNumbers) {
    json["values"] = list_json(array.values);
    return json;
  }
  double low = INFINITY, high = -INFINITY;
  for (const double value : array.values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const double scale = high > low ? 254 / (high - low) : 0;
  std::vector<uint8_t> bytes;
  bytes.reserve(array.values.size());
  for (const double value : array.values) {
    bytes.push_back(std::isfinite(value) ? static_cast<uint8_t>(std::lround((value - low) * scale)) : 255);
  }
  json["low"] = value_json(low);
  json["high"] = value_json(high);
  json["bytes"] = base64(std::as_bytes(std::span(bytes)));
  return json;
}

Json findings_json(const std::string& name, const Findings& f) {
  Json json = {{"name", name}, {"summary", f.summary}, {"missing", f.missing}, {"facts", facts_json(f.facts)}};
  json["arrays"] = Json::object();
  for (const auto& [array, a] : f.arrays) {
    if (a.shape.size() <= 2)
      json["arrays"][array] = array_json(a);  // more dimensions: the page has no picture of them
  }
  json["table"] = Json::array();
  for (const Column& column : f.table) {
    Json values = std::visit([](const auto& v) { return list_json(v); }, column.values);
    json["table"].push_back({{"name", column.name}, {"values", std::move(values)}});
  }
  return json;
}

// A list a column, an entry a class.
Json classes_json(const Results& results) {
  Json json = Json::object();
  for (const char* name : {"index", "id", "name", "state", "error", "steps", "taken", "loss", "kept", "before",
                           "after", "false_alarms", "false_alarms_shown", "false_alarms_unshown", "other_images",
                           "train_images", "val_images", "broken_images", "seconds"}) {
    json[name] = Json::array();
  }
  for (const auto& [index, c] : results.classes) {
    json["index"].push_back(index);
    json["id"].push_back(c.id);
    json["name"].push_back(c.name);
    json["state"].push_back(c.finished ? "finished" : c.error.empty() ? "in progress" : "failed");
    json["error"].push_back(c.error);
    json["steps"].push_back(c.steps);
    json["taken"].push_back(c.taken());
    json["loss"].push_back(value_json(c.last_loss()));
    json["kept"].push_back(value_json(c.logits.empty() ? ClassResult::kNone : c.kept_percent()));
    json["before"].push_back(value_json(c.top1_before));
    json["after"].push_back(value_json(c.top1_after));
    json["false_alarms"].push_back(value_json(c.false_alarms));
    json["false_alarms_shown"].push_back(value_json(c.false_alarms_shown));
    json["false_alarms_unshown"].push_back(value_json(c.false_alarms_unshown));
    json["other_images"].push_back(c.other_images);
    json["train_images"].push_back(c.train_images);
    json["val_images"].push_back(c.val_images);
    json["broken_images"].push_back(c.broken_images);
    json["seconds"].push_back(value_json(c.seconds));
  }
  return json;
}

// The masks of the finished classes, growing: a bit a channel, gate after gate, the first in the lowest bit; a class
// begins with a byte.
std::string masks_text(const Results& results, const std::vector<int64_t>& classes) {
  std::vector<uint8_t> bytes;
  for (const int64_t index : classes) {
    size_t bit = 0;
    for (const std::vector<float>& gate : results.classes.at(index).logits) {
      for (const float logit : gate) {
        if (bit % 8 == 0) bytes.push_back(0);
        if (logit > 0) bytes.back() = static_cast<uint8_t>(bytes.back() | 1u << bit % 8);
        bit++;
      }
    }
  }
  return base64(std::as_bytes(std::span(bytes)));
}

Json network_json(const ReportNetwork& network) {
  Json json = {{"label", network.label}, {"facts", facts_json(network.facts)}};
  if (network.subject) {
    const Results& results = network.subject->results();
    json["gates"] = {{"names", results.gate_names}, {"channels", results.channels}};
    json["classes"] = classes_json(results);
    json["masks"] = masks_text(results, network.subject->classes);
  }
  json["analyses"] = Json::array();
  for (const auto& [name, findings] : network.analyses) json["analyses"].push_back(findings_json(name, findings));
  return json;
}

}  // namespace

std::string page_payload(const Report& report) {
  Json json = {
      {"title", report.title}, {"program", report.program}, {"remarks", report.remarks}, {"files", report.files}};
  json["about"] = Json::array();
  for (const Analysis& a : all_analyses()) json["about"].push_back({{"name", a.name}, {"about", a.about}});
  json["networks"] = Json::array();
  for (const ReportNetwork& network : report.networks) json["networks"].push_back(network_json(network));
  return script_json(json);
}

}  // namespace nad
