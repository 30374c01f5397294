// What nad_report's page shows, as the JSON inside it.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "nad/report/page.h"
#include "nad/report/picture.h"
#include "nad/report/png_description.h"

using namespace nad;

namespace {

Report with(Findings findings) {
  Report report;
  report.title = "title";
  ReportNetwork network;
  network.label = "net";
  network.analyses["a"] = std::move(findings);
  report.networks.push_back(std::move(network));
  return report;
}

nlohmann::json analysis_of(const Report& report) {
  return nlohmann::json::parse(page_payload(report))["networks"][0]["analyses"][0];
}

std::vector<uint8_t> decoded(const std::string& base64) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<uint8_t> bytes;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : base64) {
    if (c == '=') break;
    group = group << 6 | static_cast<uint32_t>(digits.find(c));
    bits += 6;
    if (bits >= 8) bytes.push_back(static_cast<uint8_t>(group >> (bits -= 8)));
  }
  return bytes;
}

}  // namespace

TEST_CASE("no text of a file can end the script or begin markup") {
  Findings f;
  f.summary = "</script><!-- \xE2\x80\xA8 & \"quoted\" \x01 \xFF";  // a line separator; a byte that is no UTF-8
  const std::string payload = page_payload(with(f));
  CHECK(payload.find_first_of("<>&") == std::string::npos);
  for (const char c : payload) REQUIRE(static_cast<unsigned char>(c) < 128);
  CHECK(payload.find("\\u2028") != std::string::npos);
  const std::string back = analysis_of(with(f))["summary"];
  CHECK(back == "</script><!-- \xE2\x80\xA8 & \"quoted\" \x01 \xEF\xBF\xBD");
  CHECK(html_text("<a href='x'>\"&") == "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
}

TEST_CASE("pictures are embedded as far as there is room, their descriptions as text") {
  const auto picture = [](const std::string& name, size_t bytes) {
    return ReportPicture{name, "</script>\nwhat it \"shows\"", 7, 5, std::vector<std::byte>(bytes, std::byte{0xA5})};
  };
  const std::vector<ReportPicture> three = {picture("a.png", 1000), picture("b.png", 3000), picture("c.png", 100)};
  const std::string all = page_pictures(three, 1 << 20).json, some = page_pictures(three, 2000).json;
  CHECK(page_pictures(three, 2000).left_out == 1);
  CHECK(all.find_first_of("<>&") == std::string::npos);
  const auto json = nlohmann::json::parse(all);
  CHECK(json["left_out"] == 0);
  REQUIRE(json["pictures"].size() == 3);
  CHECK(json["pictures"][1]["name"] == "b.png");
  CHECK(json["pictures"][1]["description"] == three[1].description);
  CHECK(json["pictures"][1]["width"] == 7);
  CHECK(decoded(json["pictures"][1]["png"]) == std::vector<uint8_t>(3000, 0xA5));
  const auto fewer = nlohmann::json::parse(some);
  CHECK(some.size() < 2100);
  CHECK(fewer["left_out"] == 1);
  CHECK(fewer["pictures"][1]["name"] == "c.png");
  CHECK(nlohmann::json::parse(page_pictures({}, 0).json)["pictures"].empty());
}

TEST_CASE("a PNG file carries its description") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("nad_png_" + std::to_string(getpid()))).string();
  Picture picture(9, 4);
  picture.describe("a fish\n\xC3\xBC");
  picture.save(path);
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::filesystem::remove(path);
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  const auto facts = png_facts(bytes);
  REQUIRE(facts);
  CHECK(facts->width == 9);
  CHECK(facts->height == 4);
  CHECK(facts->description == "a fish\n\xC3\xBC");
  for (size_t n = 0; n < bytes.size(); n++) CHECK_FALSE(png_facts(bytes.first(n)));
}

TEST_CASE("few numbers stand as they are, what is absent is null") {
  Findings f;
  f.arrays["few"] = {{3}, {0.123456789, std::nan(""), 7}};
  f.table = {{"n", std::vector<int64_t>{1, 2}}, {"x", std::vector<double>{0.5, std::nan("")}}};
  f.facts = {{"whole", int64_t{5}}, {"none", std::nan("")}};
  const nlohmann::json json = analysis_of(with(f));
  CHECK(json["arrays"]["few"]["values"] == nlohmann::json({0.123457, nullptr, 7.0}));
  CHECK(json["table"][1]["values"] == nlohmann::json({0.5, nullptr}));
  CHECK(json["facts"]["whole"] == 5);
  CHECK(json["facts"]["none"].is_null());
}

TEST_CASE("of many numbers each has a byte, within half a step of its value") {
  Array array{{80, 70}, {}};
  for (int i = 0; i < 80 * 70; ++i) array.values.push_back(i == 11 ? std::nan("") : std::sin(i) * 3 + 1);
  Findings f;
  f.arrays["many"] = array;
  const nlohmann::json json = analysis_of(with(f))["arrays"]["many"];
  CHECK(json["shape"] == nlohmann::json({80, 70}));
  const std::vector<uint8_t> bytes = decoded(json["bytes"]);
  REQUIRE(bytes.size() == array.values.size());
  const double low = json["low"], high = json["high"], step = (high - low) / 254;
  for (size_t i = 0; i < bytes.size(); ++i) {
    CHECK((bytes[i] == 255) == std::isnan(array.values[i]));
    if (bytes[i] != 255) CHECK(std::abs(low + bytes[i] * step - array.values[i]) < 0.51 * step + 1e-5);
  }
}

TEST_CASE(
    "classes have a place in every list; masks are bits in the order of gates and channels, a class begins with a "
    "byte") {
  Results results;
  results.gate_names = {"g", "h"};
  results.channels = {3, 7};
  for (const int64_t index : {4, 9}) {
    ClassResult c;
    c.index = index;
    c.finished = true;
    c.logits = {{1, -1, 1}, {-1, 1, 1, -1, -1, -1, 1}};
    c.false_alarms_unshown = 12.5;
    if (index == 9) c.logits[1][6] = 0;  // a logit of 0 is not kept
    results.classes[index] = c;
  }
  Report report;
  report.networks.emplace_back();
  report.networks[0].subject = Subject{"net", {results}, {4, 9}, "", ""};
  const nlohmann::json network = nlohmann::json::parse(page_payload(report))["networks"][0];
  CHECK(decoded(network["masks"]) == std::vector<uint8_t>{0b00110101, 0b10, 0b00110101, 0b00});
  CHECK(network["classes"]["index"] == nlohmann::json({4, 9}));
  CHECK(network["classes"]["false_alarms_unshown"] == nlohmann::json({12.5, 12.5}));
  CHECK(network["classes"]["false_alarms"] == nlohmann::json({nullptr, nullptr}));
}
