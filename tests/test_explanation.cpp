// Explanations of single images, and the pictures that go with them.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "engine/error.h"
#include "nad/analyse/explanation.h"
#include "nad/images/composite.h"
#include "nad/report/explanation_text.h"
#include "nad/report/feature_maps.h"
#include "nad/report/gallery.h"

using namespace nad;

namespace {

// Classes 2, 3, 5, 7 and 9 of ten; similarity of the i-th and j-th: 1 / (1 + |i - j|), but 0.9 for the first and last.
KnownSubArchitectures five() {
  KnownSubArchitectures known{{2, 3, 5, 7, 9}, {}};
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) known.similarity.push_back(std::abs(i - j) == 4 ? 0.9 : 1.0 / (1 + std::abs(i - j)));
  }
  return known;
}

std::vector<float> logits_of(int64_t first, int64_t second, int64_t third) {
  std::vector<float> logits(10, -20.0f);
  logits[first] = 2;
  logits[second] = 1;
  logits[third] = 0;
  return logits;
}

std::vector<int64_t> classes_of(const std::vector<SimilarClass>& similar) {
  std::vector<int64_t> classes;
  for (const SimilarClass& s : similar) classes.push_back(s.class_index);
  return classes;
}

Results results_of(const std::vector<int64_t>& constant) {
  Results results;
  for (const int64_t c : {2, 3, 5, 7, 9}) {
    results.classes[c].index = c;
    results.classes[c].id = "n" + std::to_string(c);
    results.classes[c].false_alarms = 5;
  }
  for (const int64_t c : constant) results.classes[c].false_alarms = 99;
  return results;
}

}  // namespace

TEST_CASE("the three largest logits with their probabilities, each with the sub-architectures most like its own") {
  const Explanation e = explain(logits_of(9, 4, 2).data(), 10, five(), 9);
  REQUIRE(e.predictions.size() == 3);
  const double sum = std::exp(2.0) + std::exp(1.0) + 1;
  CHECK(e.predictions[0].class_index == 9);
  CHECK(e.predictions[0].probability == doctest::Approx(std::exp(2.0) / sum).epsilon(1e-6));
  CHECK(e.predictions[2].probability == doctest::Approx(1 / sum).epsilon(1e-6));
  CHECK(classes_of(e.predictions[0].similar) == std::vector<int64_t>{2, 7, 5});
  CHECK(e.predictions[0].similar[0].similarity == 0.9);
  CHECK_FALSE(e.predictions[1].has_sub_architecture);
  CHECK(e.predictions[1].similar.empty());
  CHECK(e.verdict == Verdict::right);
  CHECK(classes_of(e.similar_to_label) == std::vector<int64_t>{2, 7, 5});

  const std::vector<float> equal(10, 1.0f);  // the first of equal ones
  const Explanation ties = explain(equal.data(), 10, five(), -1);
  CHECK(ties.predictions[0].class_index == 0);
  CHECK(ties.predictions[2].class_index == 2);
  CHECK(ties.verdict == Verdict::unknown_label);
}

TEST_CASE("a mistake is explained where the answer is among the three most similar classes") {
  const Explanation alike = explain(logits_of(2, 9, 3).data(), 10, five(), 5);  // 3 and 7 at 1/2, then 2 and 9 at 1/3
  CHECK(alike.verdict == Verdict::like_the_label);
  CHECK(alike.answer_rank == 3);
  CHECK(alike.answer_similarity == doctest::Approx(1.0 / 3));
  CHECK(alike.other_similarity == doctest::Approx((0.5 + 0.5 + 1.0 / 3) / 3));
  CHECK(alike.chance == 0.75);
  const Explanation unlike = explain(logits_of(9, 2, 3).data(), 10, five(), 5);
  CHECK(unlike.verdict == Verdict::unlike_the_label);
  CHECK(unlike.answer_rank == 4);
  CHECK(explain(logits_of(4, 2, 3).data(), 10, five(), 5).verdict == Verdict::no_comparison);
  CHECK(explain(logits_of(5, 2, 3).data(), 10, five(), 4).verdict == Verdict::no_comparison);
  CHECK(explain(logits_of(2, 3, 4).data(), 10, {{2, 3}, {1, 0.5, 0.5, 1}}, 3).verdict == Verdict::no_comparison);
  std::vector<float> broken = logits_of(2, 3, 4);
  broken[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(explain(broken.data(), 10, five(), 5), Error);
}

TEST_CASE("the words name the numbers, and constant answers before all") {
  const Results results = results_of({5, 9});
  const ClassNames names({}, {}, results);
  const Explanation e = explain(logits_of(9, 2, 3).data(), 10, five(), 5);
  const std::string verdict = verdict_text(e, names);
  CHECK(verdict.find("wrong: the network answers n9 for n5, none of the 3 classes") == 0);
  CHECK(verdict.find("similarity 0.333, number 4, others 0.444 on average") != std::string::npos);
  CHECK(verdict.find("75 %") != std::string::npos);
  CHECK(constant_answer_text(e, names).find("the sub-architectures of n5, n9 call") != std::string::npos);
  const Results fine = results_of({7});
  CHECK(constant_answer_text(e, ClassNames({}, {}, fine)).empty());
  std::ostringstream json;
  write_explanations_json({{"a \"quoted\" name.png", "", e}}, names, json);
  CHECK(json.str().find("\"verdict\": \"unlike_the_label\"") != std::string::npos);
  CHECK(json.str().find("\\\"quoted\\\"") != std::string::npos);

  const ClassNames known({"a", "b", "c"}, {"apple", "pear", ""}, results);
  CHECK(known.find("pear", 3) == 1);
  CHECK(known.find("c", 3) == 2);
  CHECK(known.find("2", 3) == 2);
  CHECK(known.find("n5", 10) == 5);
  CHECK(known.find("3", 3) == -1);
  CHECK(known.find("99999999999999999999", 3) == -1);
  CHECK(known.find("plum", 3) == -1);
  CHECK(known.label(0) == "0 a apple");
  CHECK(known.brief(2) == "c");
}

TEST_CASE("four images in one: each lies in its quarter") {
  std::array<Image, 4> images;
  for (int i = 0; i < 4; ++i) {
    images[i] = {10 + i, 7, std::vector<uint8_t>(static_cast<size_t>(10 + i) * 7 * 3, static_cast<uint8_t>(50 * i))};
  }
  const Image whole = composite({&images[0], &images[1], &images[2], &images[3]}, 8);
  REQUIRE(whole.rgb.size() == 8 * 8 * 3);
  const auto at = [&](int y, int x) { return whole.rgb[3 * static_cast<size_t>(8 * y + x)]; };
  CHECK(at(0, 0) == 0);
  CHECK(at(0, 7) == 50);
  CHECK(at(7, 0) == 100);
  CHECK(at(7, 7) == 150);
}

TEST_CASE("what is not activated is darkened by 80 percent") {
  const Image image{2, 1, {100, 50, 255, 10, 20, 30}};
  CHECK(darkened(image, {1, 0}).rgb == std::vector<uint8_t>{100, 50, 255, 2, 4, 6});
  CHECK(darkened(image, {}).rgb == std::vector<uint8_t>{20, 10, 51, 2, 4, 6});
  const float mean[3] = {0.5f, 0.25f, 0}, stddev[3] = {0.5f, 0.25f, 1};
  const float pixels[6] = {1, 1, 1, -1, -1, 2};  // 1, 0.5, 1; 0, 0, 2
  Image two = denormalised(pixels, 1, mean, stddev);
  CHECK(two.rgb == std::vector<uint8_t>{255, 128, 255});
}

TEST_CASE("pictures: what lies outside is left out, lines are cut, other characters become question marks") {
  Picture picture(40, 30);
  const Image dot{2, 2, std::vector<uint8_t>(12, 7)};
  picture.paste(dot, -1, -1);
  picture.paste(dot, 39, 29);
  picture.paste(dot, 100, 100);
  picture.paste(dot, -5, 3);
  CHECK(picture.image().rgb[0] == 7);
  CHECK(picture.image().rgb[3] == 255);
  CHECK(picture.image().rgb.back() == 7);
  picture.fill(-10, 10, 1000, 1, kAlarm);
  CHECK(picture.image().rgb[3 * 40 * 10] == kAlarm[0]);

  const auto ink = [](const Picture& p) {
    int64_t count = 0;
    for (size_t i = 0; i < p.image().rgb.size(); i += 3) count += p.image().rgb[i] != 255;
    return count;
  };
  Picture wide(800, 20), same(800, 20), cut(800, 20), narrow(10, 20);
  const std::string every =
      "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrst{|}~";
  wide.text(0, 2, every);
  CHECK(ink(wide) > 500);
  narrow.text(0, 2, every);  // runs out of the picture
  same.text(0, 2, "Z\xC3\xBCrich\n");
  cut.text(0, 2, "Z?rich?");
  CHECK(same.image().rgb == cut.image().rgb);
  Picture shortened(800, 20), whole(800, 20);
  shortened.text(0, 2, "a long line of text", kInk, 60);
  int64_t last = 0;
  for (int64_t x = 0; x < 800; ++x) {
    for (int64_t y = 0; y < 20; ++y) last = shortened.image().rgb[3 * (800 * y + x)] != 255 ? x : last;
  }
  CHECK(last < 60);
  CHECK(last > 30);
}
