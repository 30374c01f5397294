// Where objects are, and whether sub-architectures look there: masks beside images, the share of activated pixels on the
// object against tests/golden/make_analyse.py, and the analysis on a small network against one image at a time.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "analyse_lab.h"
#include "nad/analyse/hit_rate.h"
#include "nad/analyse/statistics.h"
#include "nad/images/object_masks.h"

using namespace nad;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

const json& golden() {
  static const json document = json::parse(std::ifstream(std::string(NAD_SOURCE_DIR) + "/tests/golden/analyse.json"));
  return document.at("object_masks");
}

Image grey_image(int width, int height, const std::vector<uint8_t>& values) {
  Image image{width, height, {}};
  for (const uint8_t value : values) image.rgb.insert(image.rgb.end(), 3, value);
  return image;
}

// A folder of masks that is gone afterwards.
struct MaskFolder {
  std::string path = (fs::temp_directory_path() / ("nad_object_masks_" + std::to_string(getpid()))).string();
  MaskFolder() { fs::create_directories(path); }
  ~MaskFolder() { fs::remove_all(path); }

  // A BMP whose pixels are the first to `white` of them white, from the lowest row up.
  void put(const std::string& name, int side, int white) const {
    std::vector<uint8_t> bytes = noisy_bmp(1, side);
    const int row = (3 * side + 3) / 4 * 4;
    for (int y = 0; y < side; y++) {
      for (int x = 0; x < 3 * side; x++) bytes[54 + y * row + x] = y * side + x / 3 < white ? 255 : 0;
    }
    fs::create_directories(fs::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
};

double inside(GatedForward& forward, int64_t gate, const std::vector<uint8_t>& object) {
  const std::vector<float> values = forward.representation(static_cast<size_t>(gate), 0, 1);
  const Shape& shape = forward.plan().gates()[gate].value.shape;
  const PixelMap map = channel_sum(CTensor(values.data(), {1, shape.h, shape.w, shape.c}), 0);
  return share_inside(activated_pixels(resize_bilinear(map, forward.input_size(), forward.input_size())), object);
}

}  // namespace

TEST_CASE("activated pixels on an object, resized and cropped as its image is") {
  for (const json& c : golden()["cases"]) {
    auto values = c["values"].get<std::vector<float>>();
    const auto shape = c["shape"].get<std::vector<int64_t>>();
    const auto size = c["size"].get<int>();
    const auto object =
        evaluated_mask(grey_image(c["width"], c["height"], c["grey"].get<std::vector<uint8_t>>()), size);
    CHECK(object == c["object"].get<std::vector<uint8_t>>());
    const CTensor representation(values.data(), {1, shape[0], shape[1], shape[2]});
    const auto mask = activated_pixels(resize_bilinear(channel_sum(representation, 0), size, size));
    CHECK(share_inside(mask, object) == doctest::Approx(c["inside"].get<double>()).epsilon(1e-9));
  }
  CHECK(std::isnan(share_inside({}, {1, 0})));
  CHECK(share_inside({1, 0}, {0, 1}) == 0);
}

TEST_CASE("the interval of a mean over groups") {
  std::vector<double> values;
  for (const json& v : golden()["values"]) {
    values.push_back(v.is_null() ? std::numeric_limits<double>::quiet_NaN() : v.get<double>());
  }
  const auto groups = golden()["groups"].get<std::vector<int64_t>>();
  const Interval found = bootstrap_mean_of_groups(values, groups, golden()["key"].get<uint64_t>());
  CHECK(found.low == doctest::Approx(golden()["interval"][0].get<double>()).epsilon(1e-9));
  CHECK(found.high == doctest::Approx(golden()["interval"][1].get<double>()).epsilon(1e-9));
  CHECK(std::isnan(bootstrap_mean_of_groups(values, std::vector<int64_t>(values.size(), 3), 1).low));
}

TEST_CASE("masks are found by the names of their images") {
  const MaskFolder folder;
  for (const char* name : {"car/7.png", "car/7.bmp", "car/8.JPG", "car/9.txt", "car/.5.png"}) folder.put(name, 2, 1);
  const ObjectMasks masks(folder.path);
  CHECK(masks.of_class("car") ==
        std::map<std::string, std::string>{{"7", folder.path + "/car/7.bmp"}, {"8", folder.path + "/car/8.JPG"}});
  CHECK(masks.of_class("cup").empty());
  CHECK(image_stem("a/val/car/0.7.png") == "0.7");
  CHECK_THROWS_WITH_AS(ObjectMasks(folder.path + "/none"), doctest::Contains("no folder of masks"), Error);
}

TEST_CASE("the analysis: own, original and swapped sub-architectures on own images") {
  SmallLab l({5, 3, 4, 0, 5, 2, 4});
  const MaskFolder folder;
  for (const int c : {0, 1, 2, 4, 6}) {
    for (int i = 0; i < 4; i++) {
      // One mask of another size than its image, one without an object, one image of each class of five without a mask.
      const int side = c == 1 && i == 0 ? 39 : 40, white = c == 2 && i == 1 ? 0 : 300 + 150 * i + 100 * c;
      folder.put(std::to_string(c) + "/" + std::to_string(i) + ".bmp", side, white);
    }
  }
  const ObjectMasks masks(folder.path);
  l.use_masks(&masks);
  const Findings f = kObjectMasks.make(l.study());
  CHECK(f.number("classes") == 4);
  CHECK(f.number("images") ==
        13);  // four each of 0 and 4, two of 1, three of 2; of class 6 there is no sub-architecture
  CHECK(f.number("images_without_mask") == 1 + 1 + 1 + 2);  // 0 and 4: the fifth; 1: another size; 5: all
  CHECK(f.number("images_without_object") == 1);
  CHECK(f.missing.empty());
  const auto gates = static_cast<int64_t>(l.subject.results().channels.size());
  const Array& shares = f.arrays.at("shares");
  REQUIRE(shares.shape == std::vector<int64_t>{13, gates, 4});

  GatedForward forward(l.reference_context, l.tape(), {.images = 1, .copies = 1, .rows = 2, .representations = true});
  const auto size = static_cast<int>(forward.input_size());
  std::vector<float> pixels(static_cast<size_t>(3 * size * size));
  int64_t close = 0, compared = 0, differ = 0;
  std::vector<std::vector<double>> own(static_cast<size_t>(gates)), difference(static_cast<size_t>(gates));
  double object_share = 0;
  for (int64_t i = 0; i < 13; i++) {
    const auto c = static_cast<int64_t>(f.arrays.at("image_class").values[i]);
    const auto place = static_cast<int64_t>(f.arrays.at("image_place").values[i]);
    const auto swap = static_cast<int64_t>(f.arrays.at("image_swap").values[i]);
    CHECK(swap != c);
    CHECK((swap >= 0 && swap < 6));
    const std::string name = folder.path + "/" + std::to_string(c) + "/" + std::to_string(place) + ".bmp";
    const auto object = evaluated_mask(decode_image(read_image_file(name)), size);
    const auto on = static_cast<double>(std::count(object.begin(), object.end(), 1)) / (size * size);
    CHECK(f.arrays.at("image_mask_share").values[i] == on);
    object_share += on / 13;
    preprocess_eval(decode_image(l.images.load("val", std::to_string(c), {place}).at(0)), size, {}, pixels.data());
    for (int64_t copy = 0; copy < 3; copy++) {
      if (copy != 1) forward.set_row(1, binary_mask(l.subject.of(copy == 0 ? c : swap).logits));
      forward.use_rows(std::vector<int32_t>{copy != 1});
      forward.run(pixels.data(), 1);
      for (int64_t gate = 0; gate < gates; gate++) {
        const double expected = inside(forward, gate, object);
        const double found = shares.values[(i * gates + gate) * 4 + copy];
        REQUIRE(std::isnan(found) == std::isnan(expected));
        if (std::isnan(expected)) continue;
        compared++;
        close += std::abs(found - expected) < 1e-12;
        CHECK(std::abs(found - expected) < 0.1);  // a pixel of a tie may fall on either side of the mark
        if (copy == 0) own[gate].push_back(found);
        differ += copy == 2 && found != shares.values[(i * gates + gate) * 4];
        if (copy == 0 && c == 1) {  // of its two images the other's object
          const std::string other = folder.path + "/1/" + std::to_string(3 - place) + ".bmp";
          const double there = inside(forward, gate, evaluated_mask(decode_image(read_image_file(other)), size));
          CHECK(std::abs(shares.values[(i * gates + gate) * 4 + 3] - there) < 0.1);
        }
      }
    }
  }
  CHECK(close > 0.9 * static_cast<double>(compared));
  CHECK(differ > 0);
  CHECK(f.number("mask_share") == doctest::Approx(object_share));

  // The table and the facts, from the shares.
  double best = 0;
  for (int64_t gate = 0; gate < gates; gate++) {
    double sum = 0;
    for (const double share : own[gate]) sum += share / static_cast<double>(own[gate].size());
    best = std::max(best, sum);
    CHECK(real_column(f, "maps")[gate] == static_cast<double>(own[gate].size()));
    CHECK(real_column(f, "inside")[gate] == doctest::Approx(sum));
    CHECK(real_column(f, "inside_low")[gate] <= sum);
    CHECK(real_column(f, "inside_high")[gate] >= sum);
    CHECK(real_column(f, "difference")[gate] == doctest::Approx(sum - real_column(f, "swap")[gate]).epsilon(1e-9));
  }
  CHECK(f.number("best_inside") == doctest::Approx(best));
  CHECK(f.number("last_inside") == real_column(f, "inside").back());
  CHECK(f.number("last_original") == real_column(f, "original").back());
  CHECK(f.number("last_swap") == real_column(f, "swap").back());
  CHECK(f.number("p") > 0);
}

TEST_CASE("fewer images are some of the same; other masks and numbers have another key") {
  SmallLab l({5, 3, 4, 5, 5, 2});
  CHECK(lacking(kObjectMasks, l.study()).find("masks of the objects") != std::string::npos);
  const std::string without = findings_key(kObjectMasks, l.study());
  const MaskFolder folder;
  for (int i = 0; i < 5; i++) folder.put("0/" + std::to_string(i) + ".bmp", 40, 500);
  const ObjectMasks masks(folder.path);
  l.use_masks(&masks);
  CHECK(lacking(kObjectMasks, l.study()).empty());
  const std::string key = findings_key(kObjectMasks, l.study());
  CHECK(key != without);
  CHECK(key.rfind(without, 0) == 0);
  const Findings all = kObjectMasks.make(l.study());
  l.settings.images_per_class = 2;
  CHECK(findings_key(kObjectMasks, l.study()).rfind(without, 0) != 0);
  const Findings some = kObjectMasks.make(l.study());
  CHECK(all.number("images") == 5);
  CHECK(some.number("images") == 2);
  const auto images = [](const Findings& f) {
    std::map<double, double> swap_of;
    for (size_t i = 0; i < f.arrays.at("image_place").values.size(); i++) {
      swap_of[f.arrays.at("image_place").values[i]] = f.arrays.at("image_swap").values[i];
    }
    return swap_of;
  };
  const auto of_all = images(all);
  for (const auto& [place, swap] : images(some)) CHECK(of_all.at(place) == swap);
  CHECK(std::isnan(all.number("mask_share_low")));  // of one class nothing is known of others
  CHECK_FALSE(std::isnan(all.number("last_swap")));
  CHECK(all.summary.find("nan") == std::string::npos);
}

TEST_CASE("the last gate that is named has a map that can tell places apart") {
  SmallLab l({3, 3}, 2);
  l.network.input_size = 16;  // half of what it was made for: the last map has 2 x 2 cells
  const MaskFolder folder;
  for (int i = 0; i < 3; i++) folder.put("1/" + std::to_string(i) + ".bmp", 40, 800);
  const ObjectMasks masks(folder.path);
  l.use_masks(&masks);
  const Findings f = kObjectMasks.make(l.study());
  const auto gates = static_cast<int64_t>(l.subject.results().channels.size());
  const auto& maps = std::get<std::vector<std::string>>(
      std::find_if(f.table.begin(), f.table.end(), [](const Column& c) { return c.name == "map"; })->values);
  REQUIRE(maps.back() == "2 x 2");
  CHECK(f.number("last_gate") == static_cast<double>(gates - 2));
  CHECK(f.facts.at("last_map") == Fact("4 x 4"));
  CHECK(f.number("last_inside") == real_column(f, "inside")[gates - 2]);
}

TEST_CASE("one sub-architecture has no swap; without any mask it is said") {
  SmallLab l({4}, 1);
  const MaskFolder folder;
  const ObjectMasks masks(folder.path);
  l.use_masks(&masks);
  CHECK_THROWS_WITH_AS(kObjectMasks.make(l.study()), doctest::Contains("no val image has a mask"), Error);
  folder.put("0/2.png", 40, 700);
  const Findings f = kObjectMasks.make(l.study());
  CHECK(f.number("images") == 1);
  CHECK(f.number("images_without_mask") == 3);
  CHECK(std::isnan(f.number("last_swap")));
  CHECK(f.missing.find("second class") != std::string::npos);
  CHECK(f.summary.find("nan") == std::string::npos);
}
