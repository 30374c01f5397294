// The analyses' arithmetic (nad/analyse/) against an independent computation: tests/golden/make_analyse.py.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/rng.h"
#include "nad/analyse/class_pairs.h"
#include "nad/analyse/histogram.h"
#include "nad/analyse/hit_rate.h"
#include "nad/analyse/layer_trend.h"
#include "nad/analyse/mistakes.h"
#include "nad/analyse/similarity.h"
#include "nad/analyse/specificity.h"
#include "nad/analyse/statistics.h"

using namespace nad;
using nlohmann::json;

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

const json& golden() {
  static const json document = json::parse(std::ifstream(std::string(NAD_SOURCE_DIR) + "/tests/golden/analyse.json"));
  return document;
}

doctest::Approx near(const json& value, double tolerance = 1e-12) {
  return doctest::Approx(value.get<double>()).epsilon(tolerance);
}

void check_interval(const Interval& found, const json& expected, double tolerance) {
  CHECK(found.low == near(expected[0], tolerance));
  CHECK(found.high == near(expected[1], tolerance));
}

// null stands for "there is none".
void check_or_none(double found, const json& expected) {
  if (expected.is_null()) {
    CHECK(std::isnan(found));
  } else {
    CHECK(found == near(expected));
  }
}

MaskTable golden_masks() {
  const json& g = golden()["similarity"];
  MaskTable masks(g["channels"].get<std::vector<int64_t>>(), static_cast<int64_t>(g["logits"].size()));
  for (size_t c = 0; c < g["logits"].size(); ++c) {
    masks.set(static_cast<int64_t>(c), g["logits"][c].get<GateVectors>());
  }
  return masks;
}

}  // namespace

TEST_CASE("Wilson intervals") {
  for (const json& c : golden()["statistics"]["wilson"]) {
    check_interval(wilson(c["hits"].get<int64_t>(), c["n"].get<int64_t>()), c["interval"], 1e-9);
  }
  CHECK(wilson(0, 0).low == 0);
  CHECK(wilson(0, 0).high == 1);
  CHECK(wilson(0, 20).low == 0);
  CHECK(wilson(20, 20).high == 1);
}

TEST_CASE("AUROC counts ties half") {
  for (const json& c : golden()["statistics"]["auroc"]) {
    CHECK(auroc(c["own"].get<std::vector<float>>(), c["others"].get<std::vector<float>>()) == near(c["value"]));
  }
  const std::vector<float> same = {2, 2, 2}, high = {5, 6};
  CHECK(auroc(same, same) == 0.5);
  CHECK(auroc(high, same) == 1);
  CHECK(auroc(same, high) == 0);
  CHECK(std::isnan(auroc({}, high)));
}

TEST_CASE("p-values, Holm's procedure and quantiles") {
  const std::vector<double> draws = {0.1, 0.5, 0.5, 0.9};
  CHECK(p_value(0.5, draws) == doctest::Approx(4.0 / 5));
  CHECK(p_value(1.0, draws) == doctest::Approx(1.0 / 5));
  CHECK(std::isnan(p_value(kNone, draws)));
  CHECK(p_value(1.0, std::vector<double>{0.1, kNone}) == doctest::Approx(1.0 / 2));
  const json& h = golden()["statistics"]["holm"];
  const auto p = h["p"].get<std::vector<double>>();
  CHECK(holm(p, h["level"].get<double>()) == h["rejected"].get<std::vector<bool>>());
  // A test that could not be made: not rejected, and the others pay for it.
  CHECK(holm(std::vector<double>{0.02, kNone}) == std::vector<bool>{true, false});
  CHECK(holm(std::vector<double>{0.03, kNone}) == std::vector<bool>{false, false});
  CHECK(quantile(std::vector<double>{1, 2, 4}, 0.75) == doctest::Approx(3));
  CHECK(quantile(std::vector<double>{7}, 0.025) == 7);
}

TEST_CASE("random orders, rank correlation and trends over layers") {
  const json& g = golden()["statistics"];
  const json& order = g["permutation"];
  CHECK(permutation(order["n"], order["key"]) == order["order"].get<std::vector<int64_t>>());
  for (const json& c : g["rank_correlation"]) {
    CHECK(rank_correlation(c["x"].get<std::vector<double>>(), c["y"].get<std::vector<double>>()) == near(c["value"]));
  }
  CHECK(std::isnan(rank_correlation(std::vector<double>{1, 2}, std::vector<double>{3, 3})));
  const json& t = g["trend"];
  auto layers = t["values"].get<std::vector<double>>();
  CHECK(falling_trend(layers, t["key"]).correlation == near(t["correlation"]));
  CHECK(falling_trend(layers, t["key"]).p == near(t["p"]));
  layers.insert(layers.begin(), kNone);  // a layer without a value changes nothing
  CHECK(falling_trend(layers, t["key"]).p == near(t["p"]));
  CHECK(std::isnan(falling_trend({1, kNone, 2}, 1).p));
  CHECK(std::isnan(falling_trend({1, 1, 1, 1}, 1).p));
}

TEST_CASE("bootstrap intervals") {
  const json& b = golden()["statistics"]["bootstrap"];
  const auto values = b["values"].get<std::vector<double>>();
  check_interval(bootstrap_mean(values, b["key"].get<uint64_t>(), b["draws"].get<int64_t>()), b["interval"], 1e-12);
  CHECK(std::isnan(bootstrap_mean({}, 1).low));
  CHECK(std::isnan(bootstrap_mean(std::vector<double>{3}, 1).high));  // one value has no spread to tell
  CHECK(bootstrap_mean(std::vector<double>{3, 4}, 1).high == 4);
  const json& p = golden()["statistics"]["sign_flip"];
  CHECK(sign_flip_p_value(p["values"].get<std::vector<double>>(), p["key"], p["draws"]) == near(p["p"]));
  CHECK(sign_flip_p_value(std::vector<double>{0, 0}, 1, 10) == 1);
  CHECK(sign_flip_p_value(std::vector<double>{1, 1, 1}, 1) > 0.1);  // three values cannot be more than 1/8
  CHECK(std::isnan(sign_flip_p_value({}, 1, 10)));
  // Every index can be drawn, and none beyond.
  std::vector<int> seen(5, 0);
  for (uint64_t i = 0; i < 500; ++i) ++seen.at(static_cast<size_t>(index_below(3, i, 5)));
  for (const int count : seen) CHECK(count > 50);
}

TEST_CASE("accuracies fall into ten bins, a border into the lower one") {
  const auto bins = accuracy_histogram(std::vector<double>{0, 10, 10.001, 20, 90, 90.5, 100, kNone, 100.0 * 7 / 10});
  CHECK(bins == std::array<int64_t, 10>{2, 2, 0, 0, 0, 0, 1, 0, 1, 2});
}

TEST_CASE("similarity of masks") {
  const json& g = golden()["similarity"];
  const Similarity s = similarity(golden_masks());
  for (size_t i = 0; i < s.layers.size(); ++i) CHECK(s.layers[i] == near(g["layers"][i]));
  CHECK(s.chance[0] == near(g["chance_of_gates_0_and_3"][0], 1e-10));
  CHECK(s.chance[3] == near(g["chance_of_gates_0_and_3"][1], 1e-10));
  const size_t n = g["logits"].size();
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = 0; b < n; ++b) CHECK(s.matrix[a * n + b] == near(g["matrix"][a][b]));
  }
}

TEST_CASE("means over pairs of classes and their intervals") {
  const json& g = golden()["similarity"];
  const MaskTable masks = golden_masks();
  const std::vector<double> pairs = pair_similarity(masks, 3);
  const std::vector<int64_t> all = {0, 1, 2, 3, 4, 5};
  CHECK(pair_mean(pairs, masks.classes(), all) == near(g["layers"][3]));
  CHECK(std::isnan(pair_mean(pairs, masks.classes(), std::vector<int64_t>{2, 2, 2})));
  check_interval(pair_mean_interval(pairs, masks.classes(), g["pair_key"]), g["pair_interval_of_gate_3"], 1e-12);
  CHECK(std::isnan(pair_mean_interval(std::vector<double>(9, 0.5), 3, 1).low));
  CHECK(pair_mean_interval(std::vector<double>(16, 0.5), 4, 1).low == 0.5);
  CHECK(pair_bootstrap_draws(200) == 2000);
  CHECK(pair_bootstrap_draws(1000) == 200);
}

TEST_CASE("two empty masks are alike, one empty mask is like nothing") {
  MaskTable masks({4}, 3);
  masks.set(2, {{1, -1, -1, -1}});
  CHECK(masks.jaccard(0, 1, 0) == 1);
  CHECK(masks.jaccard(0, 2, 0) == 0);
  CHECK(masks.kept(2, 0) == 1);
  CHECK_THROWS_AS(masks.set(0, {{1, 1}}), std::invalid_argument);
  CHECK(std::isnan(similarity(MaskTable({4}, 1)).layers[0]));
}

TEST_CASE("the similarity that chance gives") {
  for (const json& c : golden()["statistics"]["expected_jaccard"]) {
    CHECK(expected_jaccard(c["a"], c["b"], c["channels"]) == near(c["value"], 1e-10));
  }
}

TEST_CASE("a thousand classes of ResNet50 are compared in about a second") {
  const std::vector<int64_t> channels = {64,   256,  256,  256,  512,  512,  512,  512, 1024,
                                         1024, 1024, 1024, 1024, 1024, 2048, 2048, 2048};
  MaskTable masks(channels, 1000);
  for (int64_t item = 0; item < 1000; ++item) masks.set(item, initial_gates(channels, class_key(233, item)));
  const auto start = std::chrono::steady_clock::now();
  const Similarity s = similarity(masks);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  MESSAGE("similarity of 1,000 x 15,168 gates: " << seconds << " s");
  CHECK(seconds < 30);  // a busy machine, sanitizers; the message has the figure
  // Independent coins: J is 1/3 in the mean, which is also what chance says.
  for (size_t i = 0; i < channels.size(); ++i) {
    CHECK(s.layers[i] == doctest::Approx(1.0 / 3).epsilon(0.02));
    CHECK(s.layers[i] == doctest::Approx(s.chance[i]).epsilon(0.005));
  }
}

TEST_CASE("activated pixels and hit rates") {
  for (const json& c : golden()["hit_rate"]) {
    auto values = c["values"].get<std::vector<float>>();
    const auto shape = c["shape"].get<std::vector<int64_t>>();
    const auto size = c["size"].get<int64_t>();
    const CTensor representation(values.data(), {1, shape[0], shape[1], shape[2]});
    const PixelMap map = resize_bilinear(channel_sum(representation, 0), size, size);
    for (size_t i = 0; i < map.values.size(); ++i) {
      CHECK(map.values[i] == doctest::Approx(c["resized"][i].get<double>()).epsilon(1e-5));
    }
    const std::vector<uint8_t> mask = activated_pixels(map);
    CHECK(std::count(mask.begin(), mask.end(), 1) == c["activated"].get<int64_t>());
    for (int q = 0; q < 4; ++q) CHECK(hit_rate(mask, size, size, q) == near(c["rates"][static_cast<size_t>(q)]));
  }
}

TEST_CASE("ties at the mark, maps of one value, quadrants") {
  CHECK(activated_pixels({2, 2, {3, 3, 3, 3}}).empty());
  CHECK(activated_pixels({2, 2, {3, 1, 3, 2}}) == std::vector<uint8_t>{1, 0, 1, 0});
  CHECK(std::isnan(hit_rate({}, 2, 2, 0)));
  CHECK(quadrant_of(0, 3, 4, 4) == 1);
  CHECK(quadrant_of(2, 1, 4, 4) == 2);
  CHECK(quadrant_of(2, 2, 5, 5) == 3);  // the middle of an odd side belongs to the right and lower half
}

TEST_CASE("why networks misjudge") {
  const json& g = golden()["mistakes"];
  const auto classes = g["classes"].get<int64_t>();
  const auto mistaken = g["mistaken"].get<std::vector<int64_t>>();
  const auto matrix = g["similarity"].get<std::vector<double>>();
  const Mistakes m = explain_mistakes(mistaken, matrix, classes, g["key"].get<uint64_t>());
  for (size_t c = 0; c < m.mis.size(); ++c) {
    check_or_none(m.mis[c], g["mis"][c]);
    check_or_none(m.oth[c], g["oth"][c]);
  }
  CHECK(m.classes == g["with_both"].get<int64_t>());
  CHECK(m.mean_mis == near(g["mean_mis"]));
  CHECK(m.mean_oth == near(g["mean_oth"]));
  check_interval(m.interval, g["interval"], 1e-12);
  CHECK(mistakes_p_value(mistaken, matrix, classes, g["permutation_key"], g["permutations"]) == near(g["p"]));
  for (const json& a : g["among"]) {
    const AmongMostSimilar found = among_most_similar(mistaken, matrix, classes, a["k"].get<int64_t>());
    CHECK(found.share == near(a["share"]));
    CHECK(found.chance == near(a["chance"]));
  }
  const std::vector<int64_t> none(static_cast<size_t>(classes * classes), 0);
  CHECK(std::isnan(among_most_similar(none, matrix, classes, 1).share));
  CHECK(std::isnan(explain_mistakes(none, matrix, classes, 1).difference));
}

TEST_CASE("specificity of a class's answers") {
  const json& g = golden()["specificity"];
  const AnswerCounts counts{g["images"], g["as_own"], g["correct"]};
  const Specificity s = specificity(counts, g["own"].get<int64_t>());
  CHECK(s.own == near(g["own_share"]));
  CHECK(s.false_alarms == near(g["false_alarms"]));
  CHECK(s.others_right == near(g["others_right"]));
  CHECK(s.balanced_accuracy == near(g["balanced"]));
  CHECK(s.other_classes == 3);
  CHECK_FALSE(s.constant_answer);
}

TEST_CASE("a network that answers its class to everything is a constant answer") {
  const Specificity s = specificity({{40, 40, 40}, {40, 40, 39}, {40, 0, 0}}, 0);
  CHECK(s.own == 1);
  CHECK(s.false_alarms == doctest::Approx((1 + 39.0 / 40) / 2));
  CHECK(s.constant_answer);
  CHECK(s.balanced_accuracy < 0.52);
  const Specificity alone = specificity({{40, 0}, {40, 0}, {40, 0}}, 0);
  CHECK(std::isnan(alone.false_alarms));
  CHECK_FALSE(alone.constant_answer);
}
