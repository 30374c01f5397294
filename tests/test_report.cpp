// Results as a table and as JSON, from the file alone: no weights, images or device.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "nad/report/results_table.h"
#include "nad/report/text.h"

using namespace nad;

namespace {

constexpr double kNone = ClassResult::kNone;

// As nad_run leaves a file that another program opens: two classes finished, one in progress, one failed.
Results example() {
  Results r;
  r.settings.arch = "resnet50";
  r.settings.program = "nad_run 0.1.0";
  r.settings.beta = 0.02;
  r.settings.epochs = 20;
  r.settings.least_steps = 400;
  r.gate_names = {"stem", "layer1.0"};
  r.channels = {3, 1};
  ClassResult c;
  c.index = 217;
  c.id = "n02102040";
  c.name = "springer \x1b[2J";  // a terminal must not obey a name
  c.steps = 2;
  c.history = {{3, 2, 1, 0.5, 4, false}, {kNone, kNone, kNone, kNone, 0, true}};
  c.finished = true;
  c.logits = {{-1.5f, 0.25f, 2.5f}, {-1.0f}};
  c.top1_before = 87.5;
  c.top1_after = 100;
  c.false_alarms = 98.75;
  c.other_images = 80;
  c.seconds = 12.25;
  r.classes[217] = c;
  c.index = 5;
  c.id = "n5";
  c.name = "other";
  c.top1_before = 50;
  c.top1_after = 75;
  c.false_alarms = 5;
  r.classes[5] = c;
  c.index = 3;
  c.id = "n3";
  c.finished = false;
  c.history.resize(1);
  r.classes[3] = c;
  ClassResult failed;
  failed.index = 9;
  failed.id = "n9";
  failed.error = "no image";
  r.classes[9] = failed;
  return r;
}

// The results as another program finds them on the disk.
Results from_disk() {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("nad_report_" + std::to_string(getpid()) + ".h5")).string();
  write_results(path, example());
  Results results = read_results(path);
  std::filesystem::remove(path);
  return results;
}

std::vector<std::string> lines_of(const Results& results, const std::vector<int64_t>& classes) {
  std::stringstream text;
  write_table(results, classes, text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a results file becomes a table without anything else") {
  const Results results = from_disk();
  CHECK(all_classes(results) == std::vector<int64_t>{3, 5, 9, 217});
  const std::vector<std::string> lines = lines_of(results, {217, 9, 3, 5, 1000});
  REQUIRE(lines.size() == 7);
  CHECK(lines[0].find("class  id           name") == 0);
  CHECK(lines[1].find("217    n02102040    springer ?[2J") == 0);
  CHECK(lines[1].find(" 2   3.000000    50.00    87.50   100.00        98.75!      12.2") != std::string::npos);
  CHECK(lines[2] == "9      n9 failed: no image");
  CHECK(lines[3] == "3      n3 in progress: step 1 of 2");
  CHECK(lines[5].find("mean                of 2 classes") == 0);
  CHECK(lines[5].find("68.75    87.50") != std::string::npos);
  CHECK(lines[4].find("    75.00          5.00 ") != std::string::npos);
  // The accuracy after is not shown alone.
  CHECK(lines[6].find("! constant answer, 1 of 2: ") == 0);
}

TEST_CASE("accuracies without false alarms come with a warning, specific answers without one") {
  Results results = from_disk();
  for (auto& [index, c] : results.classes) c.false_alarms = kNone;
  CHECK(lines_of(results, {5, 217}).back().find("does not prove disentanglement") != std::string::npos);
  for (auto& [index, c] : results.classes) c.false_alarms = 50;  // not more than half
  CHECK(lines_of(results, {5, 217}).back().find("mean") == 0);
}

TEST_CASE("false alarms on classes never shown have a column and a value of their own") {
  Results results = from_disk();
  results.settings.objective = "specific";
  results.settings.negative_classes = "even";
  results.settings.lambda = 4;
  results.classes.at(5).false_alarms_shown = 2.5;
  results.classes.at(5).false_alarms_unshown = 7.5;
  const std::vector<std::string> lines = lines_of(results, {5, 217});
  CHECK(lines[0].find("false alarms    shown never shown   seconds") != std::string::npos);
  CHECK(lines[1].find("         5.00     2.50        7.50      12.2") != std::string::npos);
  CHECK(lines[2].find("        98.75!        -           -      12.2") != std::string::npos);
  CHECK(lines[3].find("     2.50        7.50      12.2") != std::string::npos);
  for (const std::string& line : {lines[0], lines[1], lines[3]}) CHECK(line.size() == lines[2].size());
  std::stringstream text;
  write_json(results, {5}, "r.h5", text);
  const nlohmann::json json = nlohmann::json::parse(text.str());
  CHECK(json["settings"]["negative_classes"] == "even");
  CHECK(json["settings"]["lambda"] == 4);
  CHECK(json["classes"][0]["false_alarms_shown"] == 2.5);
  CHECK(json["classes"][0]["false_alarms_unshown"] == 7.5);
  CHECK(json["average"]["false_alarms_unshown"] == 7.5);
  results.settings.negative_classes = "all";
  CHECK(lines_of(results, {5})[0].find("never shown") == std::string::npos);
}

TEST_CASE("without accuracies the table has nothing to qualify") {
  Results results = from_disk();
  for (auto& [index, c] : results.classes) c.top1_before = c.top1_after = c.false_alarms = kNone;
  const std::vector<std::string> lines = lines_of(results, {5});
  REQUIRE(lines.size() == 3);
  CHECK(lines[2].find("mean") == 0);
}

TEST_CASE("a results file becomes JSON without anything else") {
  const Results results = from_disk();
  std::stringstream text;
  write_json(results, all_classes(results), "r.h5", text);
  const nlohmann::json json = nlohmann::json::parse(text.str());
  CHECK(json["program"] == "nad_run 0.1.0");
  CHECK(json["settings"]["arch"] == "resnet50");
  CHECK(json["settings"]["least_steps"] == 400);
  CHECK(json["settings"]["half"] == "all");
  CHECK(json["gates"][1]["name"] == "layer1.0");
  CHECK(json["gates"][0]["channels"] == 3);
  REQUIRE(json["classes"].size() == 4);
  CHECK(json["classes"][0]["index"] == 3);
  CHECK(json["classes"][3]["skipped_steps"] == 1);
  CHECK(json["classes"][2]["error"] == "no image");
  CHECK(json["classes"][2]["loss"].is_null());
  CHECK(json["average"]["classes"] == 2);
  CHECK(json["average"]["failed"] == 1);
  CHECK(json["average"]["top1_after"] == 87.5);
  CHECK(json["classes"][3]["false_alarms"] == 98.75);
  CHECK(json["classes"][3]["other_images"] == 80);
  CHECK(json["classes"][3]["constant_answer"] == true);
  CHECK(json["classes"][1]["constant_answer"] == false);
  CHECK(json["classes"][2]["constant_answer"].is_null());
  CHECK(json["average"]["constant_answers"] == 1);
  CHECK(json["out"] == "r.h5");
}

TEST_CASE("cells have columns, not bytes") {
  CHECK(cell("abc", 5) == "abc  ");
  CHECK(cell("abcdef", 3) == "abc");
  CHECK(cell("日本", 3) == "日 ");
  CHECK(cell("e\u0301", 2) == "e\u0301 ");
}
