// The analyses that run the network, on a small one: many masks and images packed into passes on the CPU, against one
// image at a time on the reference backend; their arithmetic against tests/golden/make_analyse.py.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "analyse_lab.h"
#include "nad/analyse/channel_scores.h"
#include "nad/analyse/composites.h"
#include "nad/analyse/divergence.h"
#include "nad/analyse/hit_rate.h"
#include "nad/analyse/mask_trials.h"
#include "nad/analyse/run_similarity.h"

using namespace nad;
using nlohmann::json;

namespace {

const json& golden() {
  static const json document = json::parse(std::ifstream(std::string(NAD_SOURCE_DIR) + "/tests/golden/analyse.json"));
  return document;
}

doctest::Approx near(double value, double tolerance = 1e-9) { return doctest::Approx(value).epsilon(tolerance); }

SmallLab& lab() {
  static SmallLab shared({5, 3, 4, 5, 5, 2, 4});  // a class more than has a sub-architecture
  return shared;
}

}  // namespace

TEST_CASE("masks drawn at random, complements and the largest channels") {
  const json& g = golden()["masks"];
  const auto like = g["like"].get<GateVectors>();
  CHECK(random_mask(like, g["key"].get<uint64_t>()) == g["random"].get<GateVectors>());
  CHECK(random_mask_key(g["seed"], g["class"], g["draw"]) == g["draw_key"].get<uint64_t>());
  CHECK(kept_channels(random_mask(like, 5)) == kept_channels(like));
  int64_t whole = 0;
  CHECK(complement_mask(like, &whole) == g["complement"].get<GateVectors>());
  CHECK(whole == g["kept_whole"].get<int64_t>());
  CHECK(largest({{1, 3, 3, 2}}, {2}) == GateVectors{{0, 1, 1, 0}});
  CHECK(largest({{3, 3, 3}}, {2}) == GateVectors{{1, 1, 0}});
}

TEST_CASE("the divergence of two answers") {
  for (const json& c : golden()["divergence"]) {
    const auto p = c["p"].get<std::vector<float>>(), q = c["q"].get<std::vector<float>>();
    CHECK(kl_divergence(p, q) == near(c["kl"].get<double>(), 1e-6));
    CHECK(kl_divergence(p, p) == 0);
  }
}

TEST_CASE("every mask meets every image, whatever the numbers are") {
  const LabelledPixels images = lab().laboratory->images_of_all(7);
  REQUIRE(images.labels.size() == 7);
  for (const int64_t masks : {1, 2, 9}) {
    CAPTURE(masks);
    std::set<std::pair<int64_t, int64_t>> seen;
    const auto mask_of = [&](int64_t mask) {
      return mask == 0 ? GateVectors()
                       : random_mask(binary_mask(lab().subject.of(0).logits), random_mask_key(1, 0, mask));
    };
    int passes = 0;
    lab().laboratory->network().run(
        images, masks, mask_of,
        [&](int64_t mask, int64_t image, const float* logits) {
          CHECK(seen.insert({mask, image}).second);
          const std::vector<float> expected = lab().logits(images, static_cast<size_t>(image), mask_of(mask));
          for (size_t k = 0; k < expected.size(); k++) CHECK(logits[k] == doctest::Approx(expected[k]).epsilon(1e-3));
        },
        [&](double) { passes++; });
    CHECK(static_cast<int64_t>(seen.size()) == 7 * masks);
    CHECK(passes == (7 * masks + 4) / 5);
  }
}

TEST_CASE("transfer: every sub-architecture on every class's images") {
  SmallLab& l = lab();
  l.settings.images_per_class = 3;
  const Findings f = kTransfer.make(l.study());
  const Array& transfer = f.arrays.at("transfer");
  REQUIRE(transfer.shape == std::vector<int64_t>{6, 7});
  int differ = 0;
  for (int64_t c = 0; c < 6; c++) {
    const GateVectors mask = binary_mask(l.subject.of(c).logits);
    double alarms = 0;
    std::vector<float> own, others;
    for (int64_t k = 0; k < 7; k++) {
      const LabelledPixels images = l.laboratory->images_of(k, 3);
      CHECK(static_cast<double>(images.labels.size()) == f.arrays.at("images").values[k]);
      const double share = l.share(images, mask, c), original = l.share(images, {}, c);
      CHECK(transfer.values[c * 7 + k] == near(share));
      CHECK(f.arrays.at("right").values[c * 7 + k] == near(l.share(images, mask, k)));
      CHECK(f.arrays.at("original_transfer").values[c * 7 + k] == near(original));
      CHECK(f.arrays.at("original_right").values[k] == near(l.share(images, {}, k)));
      differ += share != original;
      if (k != c) alarms += share / 6;
      for (size_t i = 0; i < images.labels.size(); i++)
        (k == c ? own : others).push_back(l.logits(images, i, mask)[c]);
    }
    CHECK(real_column(f, "own")[c] == near(transfer.values[c * 7 + c]));
    CHECK(real_column(f, "false_alarms")[c] == near(alarms));
    CHECK(real_column(f, "auroc")[c] == near(auroc(own, others)));
    CHECK(real_column(f, "balanced_accuracy")[c] == near((transfer.values[c * 7 + c] + 1 - alarms) / 2));
    CHECK(real_column(f, "constant_answer")[c] == (alarms > 0.5));
  }
  CHECK(differ > 0);  // else the masks would hide nothing
  CHECK(f.number("images_per_class_at_most") == 3);
}

TEST_CASE("transfer of many classes: few images of each, more of a class's own") {
  SmallLab& l = lab();
  l.settings.images_per_class = 0;
  l.settings.pairs = 7 * 7 * 2;
  const Findings f = kTransfer.make(l.study());
  l.settings = {};
  CHECK(f.number("images_per_class_at_most") == 2);
  CHECK(f.arrays.at("images").values == std::vector<double>(7, 2));
  for (int64_t c = 0; c < 6; c++) {
    const GateVectors mask = binary_mask(l.subject.of(c).logits);
    for (int64_t k = 0; k < 7; k++) {
      const LabelledPixels images = l.laboratory->images_of(k, k == c ? 50 : 2);
      CHECK(f.arrays.at("transfer").values[c * 7 + k] == near(l.share(images, mask, c)));
      CHECK(f.arrays.at("right").values[c * 7 + k] == near(l.share(images, mask, k)));
      CHECK(f.arrays.at("original_transfer").values[c * 7 + k] == near(l.share(images, {}, c)));
    }
    CHECK(real_column(f, "own_images")[c] == static_cast<double>(l.laboratory->image_count(c)));
    CHECK(real_column(f, "own")[c] == f.arrays.at("transfer").values[c * 7 + c]);
  }
}

TEST_CASE("faithfulness: divergence and agreement on own images") {
  SmallLab& l = lab();
  const Findings f = kFaithfulness.make(l.study());
  for (int64_t c = 0; c < 6; c++) {
    const GateVectors mask = binary_mask(l.subject.of(c).logits);
    const LabelledPixels images = l.laboratory->images_of(c, 50);
    double kl = 0, same = 0;
    for (size_t i = 0; i < images.labels.size(); i++) {
      kl += kl_divergence(l.logits(images, i, {}), l.logits(images, i, mask));
      same += l.answer(images, i, {}) == l.answer(images, i, mask);
    }
    const auto n = static_cast<double>(images.labels.size());
    CHECK(real_column(f, "images")[c] == n);
    CHECK(real_column(f, "kl")[c] == near(kl / n, 1e-3));
    CHECK(real_column(f, "agreement")[c] == near(same / n));
  }
}

TEST_CASE("random masks, complement and sizes: shares of the images that a mask is tried on") {
  SmallLab& l = lab();
  l.settings.draws = 4;
  const Findings random = kRandomMasks.make(l.study()), without = kComplement.make(l.study()),
                 sizes = kSizeSweep.make(l.study());
  const LabelledPixels pool = l.laboratory->images_of_all(kTrialOthers);
  double observed = 0;
  std::vector<double> draws(4, 0);
  for (const int64_t c : {0, 3}) {
    const GateVectors mask = binary_mask(l.subject.of(c).logits);
    const LabelledPixels own = l.laboratory->images_of(c, kTrialOwn), others = others_than(pool, c);
    const auto balanced = [&](const GateVectors& m) {
      double alarms = 0, classes = 0;
      for (int64_t k = 0; k < 7; k++) {
        if (!std::count(others.labels.begin(), others.labels.end(), k)) continue;
        alarms += l.share(others, m, c, k);
        classes++;
      }
      return (l.share(own, m, c) + 1 - alarms / classes) / 2;
    };
    CHECK(real_column(random, "balanced_accuracy")[c] == near(balanced(mask)));
    int64_t reach = 0;  // ties count against what was learnt
    for (int64_t d = 0; d < 4; d++) {
      const double of_draw = balanced(random_mask(mask, random_mask_key(l.settings.seed, c, d)));
      CHECK(random.arrays.at("random").values[c * 4 + d] == near(of_draw));
      reach += of_draw >= balanced(mask) - 1e-12;
    }
    CHECK(real_column(random, "rank")[c] == 1 + reach);
    double swapped = 0;  // five other classes are fewer than kSwaps: all of them
    for (const int64_t d : l.subject.classes) {
      if (d != c) swapped += l.share(own, binary_mask(l.subject.of(d).logits), c) / 5;
    }
    CHECK(real_column(random, "swapped_own")[c] == near(swapped));
    int64_t whole = 0;
    const GateVectors rest = complement_mask(mask, &whole);
    CHECK(real_column(without, "complement")[c] == near(l.share(own, rest, c)));
    CHECK(real_column(without, "original")[c] == near(l.share(own, {}, c)));
    CHECK(real_column(without, "gates_kept_whole")[c] == static_cast<double>(whole));
    // Half of each gate's channels, rounded up at a half.
    std::vector<int64_t> half;
    for (const int64_t channels : l.subject.results().channels) half.push_back((channels + 1) / 2);
    CHECK(sizes.arrays.at("own").values[4 * 6 + c] == near(l.share(own, largest(l.subject.of(c).logits, half), c)));
    CHECK(sizes.arrays.at("own").values[9 * 6 + c] == near(l.share(own, {}, c)));
  }
  // p from the file's own numbers.
  const Array& all = random.arrays.at("random");
  for (int64_t c = 0; c < 6; c++) {
    observed += real_column(random, "balanced_accuracy")[c] / 6;
    for (int64_t d = 0; d < 4; d++) draws[d] += all.values[c * 4 + d] / 6;
  }
  const auto reach = std::count_if(draws.begin(), draws.end(), [&](double d) { return d >= observed - 1e-12; });
  CHECK(random.number("p") == near((1.0 + static_cast<double>(reach)) / 5));
}

TEST_CASE("a class whose images are all broken is left out, and no criterion speaks without training images") {
  SmallLab l({5, 3, 4, 5, 5, 2, 4});
  l.images.broken = {"1"};
  l.images.has_train = false;
  l.settings.draws = 3;
  l.settings.composites = 4;
  const Findings without = kComplement.make(l.study()), random = kRandomMasks.make(l.study()),
                 sizes = kSizeSweep.make(l.study()), looks = kFig4HitRate.make(l.study()),
                 faithful = kFaithfulness.make(l.study());
  for (const Findings* f : {&without, &random, &sizes, &looks}) CHECK(f->number("classes") == 5);
  CHECK(real_column(without, "index") == std::vector<double>{0, 2, 3, 4, 5});
  CHECK(faithful.table[0].name == "index");
  for (const Findings* f : {&without, &random}) CHECK_FALSE(std::isnan(f->number("p")));
  CHECK_FALSE(std::isnan(random.number("mean_balanced_accuracy_low")));
  for (const double value : real_column(random, "by_activation")) CHECK(std::isnan(value));
  CHECK(std::isnan(random.number("mean_by_gradient")));
  CHECK(random.missing.find("training images of 5 classes") != std::string::npos);
  for (const double c : looks.arrays.at("composite_classes").values) CHECK(c != 1);
  const std::vector<Trial> none = try_masks(
      l.study(), 1, l.laboratory->images_of(1, 2), 2, [](int64_t) { return GateVectors(); }, [](double) {});
  REQUIRE(none.size() == 2);
  CHECK(std::isnan(none[1].own));
}

TEST_CASE("channels sorted by activation and by activation times gradient") {
  SmallLab& l = lab();
  const LabelledPixels images = l.laboratory->training_images_of(2, 3);
  REQUIRE(images.labels.size() == 3);
  ChannelScores scores(*l.laboratory);
  const ChannelScores::Scores found = scores.of(images, 2);
  // The gradient at a gate of 1, by differences; and the mean of what the reference backend has there.
  const auto forward = std::make_unique<GatedForward>(
      l.reference_context, l.tape(), ForwardOptions{.images = 1, .copies = 1, .rows = 1, .representations = true});
  const std::vector<int64_t> channels = forward->channels();
  const int64_t each = images.size * images.size * 3;
  for (size_t g = 0; g < channels.size(); g += 2) {
    for (const int64_t c : {int64_t{0}, channels[g] / 2, channels[g] - 1}) {
      CAPTURE(g);
      CAPTURE(c);
      double activation = 0, slope = 0;
      for (size_t i = 0; i < 3; i++) {
        forward->run(images.pixels.data() + static_cast<int64_t>(i) * each, 1);
        const std::vector<float> map = forward->representation(g, 0, 1);
        double sum = 0;
        for (size_t p = static_cast<size_t>(c); p < map.size(); p += static_cast<size_t>(channels[g]))
          sum += std::abs(map[p]);
        activation += sum / (static_cast<double>(map.size()) / static_cast<double>(channels[g])) / 3;
        GateVectors up;
        for (const int64_t n : channels) up.emplace_back(static_cast<size_t>(n), 1.0f);
        GateVectors down = up;
        constexpr float kStep = 1.0f / 4096;
        up[g][c] += kStep;
        down[g][c] -= kStep;
        slope += std::abs(static_cast<double>(l.logits(images, i, up)[2]) - l.logits(images, i, down)[2]) /
                 (2 * kStep) / 3;
      }
      CHECK(found.activation[g][c] == doctest::Approx(activation).epsilon(1e-3));
      CHECK(std::abs(found.activation_times_gradient[g][c] - slope) < 0.03 * std::abs(slope) + 4e-3);
    }
  }
}

TEST_CASE("composites of four classes") {
  const json& g = golden()["composites"];
  for (const json& c : g["cases"]) {
    const Composite found =
        draw_composite(g["of"].get<std::vector<int64_t>>(), g["counts"].get<std::vector<int64_t>>(),
                       g["key"].get<uint64_t>(), c["number"].get<int64_t>());
    CHECK(found.classes == c["classes"].get<std::array<int64_t, 4>>());
    CHECK(found.images == c["images"].get<std::array<int64_t, 4>>());
    CHECK(found.swaps == c["swaps"].get<std::array<int64_t, 4>>());
  }
  CHECK(draw_composite({1, 2, 3, 4}, {1, 1, 1, 1}, 1, 0).swaps[2] == -1);
  std::array<Image, 4> tiles;
  for (size_t q = 0; q < 4; q++) {
    const json& tile = g["tiles"][q];
    tiles[q] = {tile["width"].get<int>(), tile["height"].get<int>(), tile["rgb"].get<std::vector<uint8_t>>()};
  }
  CHECK(compose(tiles, g["size"].get<int>()).rgb == g["composed"].get<std::vector<uint8_t>>());
}

TEST_CASE("hit rates of composites, under own, random and swapped masks") {
  SmallLab& l = lab();
  l.settings.composites = 5;
  const Findings f = kFig4HitRate.make(l.study());
  const Array& rates = f.arrays.at("rates");
  const auto gates = static_cast<int64_t>(l.subject.results().channels.size());
  REQUIRE(rates.shape == std::vector<int64_t>{5, gates, 12});
  GatedForward forward(l.reference_context, l.tape(), {.images = 1, .copies = 1, .rows = 2, .representations = true});
  forward.use_rows(std::vector<int32_t>{1});
  const int64_t size = forward.input_size();
  std::vector<float> pixels(static_cast<size_t>(3 * size * size));
  int64_t close = 0, compared = 0;
  for (int64_t t = 0; t < 5; t++) {
    Composite c;
    for (size_t q = 0; q < 4; q++) {
      c.classes[q] = static_cast<int64_t>(f.arrays.at("composite_classes").values[t * 4 + q]);
      c.images[q] = static_cast<int64_t>(f.arrays.at("composite_images").values[t * 4 + q]);
      c.swaps[q] = static_cast<int64_t>(f.arrays.at("composite_swaps").values[t * 4 + q]);
    }
    for (const int64_t swap : c.swaps) CHECK(std::count(c.classes.begin(), c.classes.end(), swap) == 0);
    composite_pixels(*l.laboratory, c, pixels.data());
    for (int64_t copy = 0; copy < 12; copy++) {
      const int64_t q = copy % 4, index = copy < 8 ? c.classes[q] : c.swaps[q];
      GateVectors mask = binary_mask(l.subject.of(index).logits);
      if (copy >= 4 && copy < 8) mask = random_mask(mask, random_mask_key(l.settings.seed + 2, index, t % 4));
      forward.set_row(1, mask);
      forward.run(pixels.data(), 1);
      for (int64_t gate = 0; gate < gates; gate++) {
        std::vector<float> values = forward.representation(static_cast<size_t>(gate), 0, 1);
        const Shape& shape = forward.plan().gates()[gate].value.shape;
        const PixelMap map = channel_sum(CTensor(values.data(), {1, shape.h, shape.w, shape.c}), 0);
        const auto activated = activated_pixels(resize_bilinear(map, size, size));
        const double expected = hit_rate(activated, size, size, static_cast<int>(q));
        const double found = rates.values[(t * gates + gate) * 12 + copy];
        CHECK(std::isnan(found) == std::isnan(expected));
        if (std::isnan(expected)) continue;
        compared++;
        close += std::abs(found - expected) < 1e-12;
        CHECK(std::abs(found - expected) < 0.1);  // a pixel of a tie may fall on either side of the mark
      }
    }
  }
  CHECK(close > 0.9 * static_cast<double>(compared));
  // The differences of the classes, and the table, from the rates.
  for (int64_t c = 0; c < 6; c++) {
    double sum = 0, count = 0;
    for (int64_t i = 0; i < 20 * gates; i++) {
      const int64_t t = i / (4 * gates), q = i % 4, gate = i / 4 % gates;
      const double* of = &rates.values[(t * gates + gate) * 12];
      if (static_cast<int64_t>(f.arrays.at("composite_classes").values[t * 4 + q]) != c) continue;
      if (std::isnan(of[q] - of[8 + q])) continue;
      sum += of[q] - of[8 + q];
      count++;
    }
    if (count > 0) CHECK(f.arrays.at("class_differences").values[c] == near(sum / count, 1e-7));
  }
  for (int64_t gate = 0; gate < gates; gate++) {
    double own = 0, swap = 0, random = 0;
    for (int64_t t = 0; t < 5; t++) {
      for (int64_t q = 0; q < 4; q++) {
        const double* of = &rates.values[(t * gates + gate) * 12];
        own += of[q] / 20;
        random += of[4 + q] / 20;
        swap += of[8 + q] / 20;
      }
    }
    if (std::isnan(own + swap + random)) continue;
    CHECK(real_column(f, "hit_rate")[gate] == near(own));
    CHECK(real_column(f, "random")[gate] == near(random));
    CHECK(real_column(f, "swap")[gate] == near(swap));
    CHECK(real_column(f, "difference")[gate] == near(own - swap, 1e-7));
  }
}

TEST_CASE("hit rates of four classes: what is lacking is said in words") {
  SmallLab l({3, 3, 3, 3}, 4);
  l.settings.composites = 2;
  const Findings f = kFig4HitRate.make(l.study());
  CHECK(std::isnan(f.number("mean_swap")));
  CHECK_FALSE(std::isnan(f.number("mean_random")));
  CHECK(f.missing.find("a fifth class") != std::string::npos);
  CHECK(f.summary.find("swap") == std::string::npos);
  CHECK(f.summary.find("nan") == std::string::npos);
}

TEST_CASE("stability: classes learnt again beside other classes") {
  const json& g = golden()["stability"];
  const auto channels = g["channels"].get<std::vector<int64_t>>();
  std::vector<MaskTable> runs;
  for (const json& run : g["runs"]) {
    runs.emplace_back(channels, static_cast<int64_t>(run.size()));
    for (size_t c = 0; c < run.size(); c++) runs.back().set(static_cast<int64_t>(c), run[c].get<GateVectors>());
  }
  RunSimilarity s(runs);
  for (size_t gate = 0; gate < channels.size(); gate++) {
    const LayerStability layer = s.of_gate(static_cast<int64_t>(gate), g["key"].get<uint64_t>());
    const json& expected = g["layers"][gate];
    CHECK(layer.within == near(expected["within"].get<double>()));
    CHECK(layer.between == near(expected["between"].get<double>()));
    CHECK(layer.chance == near(expected["chance"].get<double>()));
    CHECK(layer.separation() == near(expected["separation"].get<double>()));
    CHECK(layer.difference_interval.low == near(expected["interval"][0].get<double>()));
    CHECK(layer.difference_interval.high == near(expected["interval"][1].get<double>()));
  }
  const LayerStability all = s.mean_over_gates(1);
  CHECK(all.within == near(g["mean_within"].get<double>()));
  CHECK(all.between == near(g["mean_between"].get<double>()));
  CHECK(s.p_value_of_classes(g["p_key"].get<uint64_t>(), g["permutations"].get<int64_t>()) ==
        near(g["p"].get<double>()));
  LayerStability whole;  // all channels kept: nothing can be separated
  whole.within = whole.between = whole.chance = 1;
  CHECK(std::isnan(whole.separation()));
}

TEST_CASE("what an analysis lacks is said; other inputs have another key") {
  SmallLab& l = lab();
  Study study = l.study();
  CHECK(lacking(kTransfer, study).empty());
  CHECK(lacking(kStability, study).find("2 runs") != std::string::npos);
  CHECK(lacking(kFig6Beta, study).find("beta") != std::string::npos);
  const std::string key = findings_key(kTransfer, study);
  l.settings.images_per_class++;
  CHECK(findings_key(kTransfer, l.study()) != key);
  CHECK(findings_key(kFig4Similarity, l.study()) == findings_key(kFig4Similarity, study));
  l.settings.images_per_class--;
  study.laboratory = nullptr;
  CHECK(lacking(kTransfer, study).find("weights") != std::string::npos);
  CHECK(key.rfind(findings_key(kTransfer, study), 0) == 0);
}
