#include "nad/store/analysis.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace nad {
namespace {

std::string field(int64_t value) { return std::to_string(value); }

std::string field(double value) {
  if (std::isnan(value)) return "";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;  // shortest that reads back as the same
  return {text, end};
}

std::string field(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

double Findings::number(const std::string& fact) const {
  const auto found = facts.find(fact);
  if (found == facts.end()) return std::numeric_limits<double>::quiet_NaN();
  if (const auto* whole = std::get_if<int64_t>(&found->second)) return static_cast<double>(*whole);
  if (const auto* value = std::get_if<double>(&found->second)) return *value;
  return std::numeric_limits<double>::quiet_NaN();
}

std::string csv(const std::vector<Column>& table) {
  std::string text;
  for (size_t c = 0; c < table.size(); c++) text += (c ? "," : "") + field(table[c].name);
  text += "\n";
  const auto rows = [](const Column& column) {
    return std::visit([](const auto& values) { return values.size(); }, column.values);
  };
  for (size_t row = 0; !table.empty() && row < rows(table[0]); row++) {
    for (size_t c = 0; c < table.size(); c++) {
      if (c) text += ",";
      text += std::visit([&](const auto& values) { return field(values.at(row)); }, table[c].values);
    }
    text += "\n";
  }
  return text;
}

}  // namespace nad
