// What analyses found out, and the HDF5 file that keeps it (weights/FORMAT.md, "Analysis"): a group a network, in it a
// group an analysis. The same table that lies in a group is written as a CSV for people and other programs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace nad {

// A single value: a number of things, a measured number, a text.
using Fact = std::variant<int64_t, double, std::string>;
using Facts = std::map<std::string, Fact>;

struct Array {
  std::vector<int64_t> shape;
  std::vector<double> values;  // NaN: there is none
};

struct Column {
  std::string name;
  std::variant<std::vector<int64_t>, std::vector<double>, std::vector<std::string>> values;
};

// Of one analysis of one network.
struct Findings {
  std::string key;      // hash of what it was made from and how; another one makes it worthless
  std::string summary;  // one line for people
  std::string missing;  // what it lacked to be made, or what of it is left out and why; empty where nothing is
  Facts facts;
  std::map<std::string, Array> arrays;
  std::vector<Column> table;  // columns of equal length

  // The number of this name, NaN where there is none.
  double number(const std::string& fact) const;
};

struct AnalysedNetwork {
  Facts facts;  // arch, weights_hash, objective, ...
  std::map<std::string, Findings> analyses;
};

struct AnalysisFile {
  Facts facts;  // program, command line
  std::map<std::string, AnalysedNetwork> networks;
};

// Whole or not at all (weights/durable_file.h). Throws Error(data).
void write_analysis(const std::string& path, const AnalysisFile& file);

// Throws Error(data) where the file is missing, not HDF5, damaged, or no analysis.
AnalysisFile read_analysis(const std::string& path);

// The table as RFC 4180 has it, lines ending in "\n"; NaN is an empty field.
std::string csv(const std::vector<Column>& table);

}  // namespace nad
