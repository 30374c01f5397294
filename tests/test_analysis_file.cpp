// The analysis file: what is written is read again, what is none is refused; and the CSV of a table.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/error.h"
#include "nad/store/analysis.h"
#include "nad/store/results.h"

using namespace nad;

namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Folder {
  fs::path path = fs::temp_directory_path() / ("nad_analysis_" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

Findings findings() {
  Findings f;
  f.key = "0123-abcd";
  f.summary = "a line";
  f.missing = "other starts";
  f.facts = {{"images", int64_t{12}}, {"share", 0.1}, {"none", kNone}, {"text", std::string("Bär, \"x\"")}};
  f.arrays["matrix"] = {{2, 3}, {1, 2, 3, 4, 5, kNone}};
  f.arrays["empty"] = {{0}, {}};
  f.table = {{"name", std::vector<std::string>{"a,b", "say \"x\""}},
             {"images", std::vector<int64_t>{3, -1}},
             {"share", std::vector<double>{0.1, kNone}}};
  return f;
}

}  // namespace

TEST_CASE("an analysis file is read as it was written") {
  const Folder folder;
  AnalysisFile file;
  file.facts["program"] = std::string("nad_analyse");
  file.networks["resnet50_released"].facts["arch"] = std::string("resnet50");
  file.networks["resnet50_released"].analyses["transfer"] = findings();
  file.networks["vgg16_paper"].analyses["bare"].key = "k";
  write_analysis(folder.file("a.h5"), file);
  const AnalysisFile again = read_analysis(folder.file("a.h5"));
  CHECK(again.facts == file.facts);
  CHECK(again.networks.size() == 2);
  CHECK(again.networks.at("resnet50_released").facts == file.networks["resnet50_released"].facts);
  const Findings expected = findings(), found = again.networks.at("resnet50_released").analyses.at("transfer");
  CHECK(found.key == expected.key);
  CHECK(found.summary == expected.summary);
  CHECK(found.missing == expected.missing);
  CHECK(found.number("images") == 12);
  CHECK(found.number("share") == 0.1);
  CHECK(std::isnan(found.number("none")));
  CHECK(std::isnan(found.number("text")));
  CHECK(std::isnan(found.number("absent")));
  CHECK(found.facts.at("text") == expected.facts.at("text"));
  CHECK(found.facts.size() == expected.facts.size());
  CHECK(found.arrays.at("matrix").shape == std::vector<int64_t>{2, 3});
  CHECK(found.arrays.at("matrix").values[4] == 5);
  CHECK(std::isnan(found.arrays.at("matrix").values[5]));
  CHECK(found.arrays.at("empty").values.empty());
  CHECK(csv(found.table) == csv(expected.table));
  CHECK(again.networks.at("vgg16_paper").analyses.at("bare").key == "k");
}

TEST_CASE("a table as CSV") {
  CHECK(csv(findings().table) == "name,images,share\n\"a,b\",3,0.1\n\"say \"\"x\"\"\",-1,\n");
}

TEST_CASE("what is no analysis file is refused") {
  const Folder folder;
  CHECK_THROWS_AS(read_analysis(folder.file("absent.h5")), Error);
  std::ofstream(folder.file("text.h5")) << "no HDF5";
  CHECK_THROWS_AS(read_analysis(folder.file("text.h5")), Error);
  Results results;
  results.gate_names = {"stem"};
  results.channels = {4};
  write_results(folder.file("results.h5"), results);
  CHECK_THROWS_WITH_AS(read_analysis(folder.file("results.h5")), doctest::Contains("not of analyses"), Error);
}
