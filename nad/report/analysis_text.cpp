#include "nad/report/analysis_text.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "nad/report/text.h"

namespace nad {
namespace {

constexpr size_t kMostValues = 4096;  // of an array; of larger ones the shape alone is told, the file has them

using Json = nlohmann::ordered_json;

Json value_json(const std::string& text) { return text; }
Json value_json(int64_t number) { return number; }
Json value_json(double number) { return std::isfinite(number) ? Json(number) : Json(nullptr); }  // JSON has no NaN

Json facts_json(const Facts& facts) {
  Json json = Json::object();
  for (const auto& [name, fact] : facts) json[name] = std::visit([](const auto& v) { return value_json(v); }, fact);
  return json;
}

Json table_json(const std::vector<Column>& table) {
  Json json = Json::object();
  for (const Column& column : table) {
    Json& list = json[column.name] = Json::array();
    std::visit(
        [&](const auto& values) {
          for (const auto& value : values) list.push_back(value_json(value));
        },
        column.values);
  }
  return json;
}

Json findings_json(const Findings& f) {
  Json json = facts_json(f.facts);
  if (!f.summary.empty()) json["summary"] = f.summary;
  if (!f.missing.empty()) json["missing"] = f.missing;
  for (const auto& [name, array] : f.arrays) {
    json["arrays"][name] = array.shape;
    if (array.values.size() > kMostValues) continue;
    Json& values = json["values"][name] = Json::array();
    for (const double value : array.values) values.push_back(value_json(value));
  }
  if (!f.table.empty()) json["table"] = table_json(f.table);
  return json;
}

}  // namespace

void write_analysis_text(const AnalysisFile& file, std::ostream& out) {
  for (const auto& [label, network] : file.networks) {
    out << one_line(label) << "\n";
    for (const auto& [name, f] : network.analyses) {
      const std::string lacks =
          f.missing.empty() ? "" : (f.summary.empty() ? "missing: " : "; missing: ") + f.missing;
      out << "  " << cell(name, 17) << one_line(f.summary + lacks) << "\n";
    }
  }
}

void write_analysis_json(const AnalysisFile& file, const std::string& path, std::ostream& out) {
  Json json = facts_json(file.facts);
  json["networks"] = Json::object();
  for (const auto& [label, network] : file.networks) {
    Json of_network = facts_json(network.facts);
    of_network["analyses"] = Json::object();
    for (const auto& [name, f] : network.analyses) of_network["analyses"][name] = findings_json(f);
    json["networks"][label] = std::move(of_network);
  }
  json["out"] = path;
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace nad
