// Decoding, resizing and preprocessing against Pillow and torchvision (golden/images.bin, made by
// golden/make_images.py), and the random crops against torchvision's distribution.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/rng.h"
#include "nad/images/augment.h"
#include "nad/images/images.h"
#include "nad/images/resize.h"

namespace {

using nad::Box;
using nad::Image;

// One record of images.bin; bytes, ints or floats is filled.
struct Record {
  std::vector<int> shape;
  std::vector<uint8_t> bytes;
  std::vector<int32_t> ints;
  std::vector<float> floats;
};

template <class T>
void take(const std::vector<char>& file, size_t& at, T* to, size_t count) {
  REQUIRE(at + count * sizeof(T) <= file.size());
  if (count == 0) return;
  std::memcpy(to, file.data() + at, count * sizeof(T));
  at += count * sizeof(T);
}

std::map<std::string, Record> read_golden() {
  const std::string path = NAD_SOURCE_DIR "/tests/golden/images.bin";
  std::ifstream stream(path, std::ios::binary);
  REQUIRE_MESSAGE(stream.good(), "cannot read " << path);
  const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
  REQUIRE(std::string(file.begin(), file.begin() + 8) == "NADGOLD1");
  std::map<std::string, Record> records;
  for (size_t at = 8; at < file.size();) {
    uint32_t length = 0, dimensions = 0;
    char kind = 0;
    take(file, at, &length, 1);
    std::string name(length, ' ');
    take(file, at, name.data(), length);
    take(file, at, &kind, 1);
    take(file, at, &dimensions, 1);
    Record record;
    record.shape.resize(dimensions);
    take(file, at, record.shape.data(), dimensions);
    size_t count = 1;
    for (int d : record.shape) count *= static_cast<size_t>(d);
    record.bytes.resize(kind == 'u' ? count : 0);
    record.ints.resize(kind == 'i' ? count : 0);
    record.floats.resize(kind == 'f' ? count : 0);
    take(file, at, record.bytes.data(), record.bytes.size());
    take(file, at, record.ints.data(), record.ints.size());
    take(file, at, record.floats.data(), record.floats.size());
    records[name] = record;
  }
  return records;
}

const std::map<std::string, Record>& golden() {
  static const std::map<std::string, Record> records = read_golden();
  return records;
}

const Record& golden(const std::string& name) {
  REQUIRE_MESSAGE(golden().count(name) == 1, "images.bin has no record " << name);
  return golden().at(name);
}

std::vector<std::string> golden_names(const std::string& prefix, const std::string& suffix = "") {
  std::vector<std::string> names;
  for (const auto& [name, record] : golden()) {
    if (name.starts_with(prefix) && name.ends_with(suffix)) names.push_back(name);
  }
  REQUIRE(!names.empty());
  return names;
}

Image image_of(const Record& r) { return {r.shape.at(1), r.shape.at(0), r.bytes}; }
Image source(const std::string& number) { return image_of(golden("source/" + number)); }

int largest_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) return 256;
  int most = 0;
  for (size_t i = 0; i < a.size(); i++) most = std::max(most, std::abs(int{a[i]} - int{b[i]}));
  return most;
}

nad::EncodedImage encoded(const std::string& name) { return {name, golden("encoded/" + name).bytes}; }

std::string failure(const nad::EncodedImage& image) {
  try {
    nad::decode_image(image);
  } catch (const nad::Error& e) {
    CHECK(e.kind() == nad::ErrorKind::data);
    return e.what();
  }
  return "decoded";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A BMP header of 54 bytes with the given sides, 24 bits a pixel, and no pixels.
std::vector<uint8_t> bmp_header(uint32_t width, uint32_t height) {
  std::vector<uint8_t> b(54, 0);
  b[0] = 'B', b[1] = 'M', b[10] = 54, b[14] = 40, b[26] = 1, b[28] = 24;
  for (uint32_t i = 0; i < 4; i++) {
    b[18 + i] = static_cast<uint8_t>(width >> (8 * i));
    b[22 + i] = static_cast<uint8_t>(height >> (8 * i));
  }
  return b;
}

TEST_CASE("every format decodes to Pillow's pixels") {
  for (const std::string& name : golden_names("encoded/")) {
    CAPTURE(name);
    const std::string file = name.substr(8);
    const Record& expected = golden("decoded/" + file);
    const Image image = nad::decode_image(encoded(file));
    CHECK(image.width == expected.shape[1]);
    CHECK(image.height == expected.shape[0]);
    // Pillow's JPEG decoder is libjpeg-turbo; stb_image differs in the inverse transform and the colours by a few units.
    const bool turbo = contains(nad::image_decoders(), "libjpeg-turbo");
    CHECK(largest_difference(image.rgb, expected.bytes) <= (!file.ends_with(".jpg") ? 0 : turbo ? 1 : 4));
  }
}

TEST_CASE("a file that is cut short anywhere is an error, never a half image") {
  for (const std::string& name : golden_names("encoded/")) {
    const nad::EncodedImage whole = encoded(name.substr(8));
    for (size_t size = 0; size < whole.bytes.size(); size += size < 64 ? 1 : 17) {
      CAPTURE(name);
      CAPTURE(size);
      nad::EncodedImage cut = whole;
      cut.bytes.resize(size);
      CHECK(contains(failure(cut), whole.name));
    }
  }
}

TEST_CASE("what is no image is named in the error") {
  const std::string text = "this is a text file";
  CHECK(contains(failure({"a/zero.jpg", {}}), "image a/zero.jpg: the file is empty"));
  CHECK(contains(failure({"a/text.png", {text.begin(), text.end()}}), "image a/text.png"));
  CHECK(contains(failure({"gif.png", {'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0, 0, 0}}), "image gif.png"));
  CHECK(contains(failure({"flat.bmp", bmp_header(0, 4)}), "image flat.bmp"));
  CHECK(contains(failure({"wide.bmp", bmp_header(16385, 1)}), "image wide.bmp"));
  CHECK(contains(failure({"huge.bmp", bmp_header(0x7FFFFFFF, 0x7FFFFFFF)}), "image huge.bmp"));
  CHECK(contains(failure({"cut.bmp", bmp_header(16000, 16000)}), "cut short"));
  // Sides within the limit, but too many pixels: a PNG header of 16000 x 16000 is refused before it is unpacked.
  nad::EncodedImage png = encoded("rgb.png");
  for (size_t at : {16u, 20u}) png.bytes[at + 2] = 16000 >> 8, png.bytes[at + 3] = 16000 & 255;
  CHECK(contains(failure(png), "16000x16000 pixels"));
}

TEST_CASE("a BMP may be stored from the top") {
  std::vector<uint8_t> up = bmp_header(2, 2), down = bmp_header(2, static_cast<uint32_t>(-2));
  const std::vector<uint8_t> first = {1, 2, 3, 4, 5, 6, 0, 0}, second = {7, 8, 9, 10, 11, 12, 0, 0};  // blue first
  up.insert(up.end(), second.begin(), second.end());
  up.insert(up.end(), first.begin(), first.end());
  down.insert(down.end(), first.begin(), first.end());
  down.insert(down.end(), second.begin(), second.end());
  const Image image = nad::decode_image({"down.bmp", down});
  CHECK(image.width == 2);
  CHECK(image.height == 2);
  CHECK(image.rgb == std::vector<uint8_t>{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10});
  CHECK(image.rgb == nad::decode_image({"up.bmp", up}).rgb);
}

TEST_CASE("what cannot be decoded faithfully is refused by name") {
  std::vector<uint8_t> packed = bmp_header(2, 2);
  packed[28] = 8, packed[30] = 1;
  packed.resize(200);
  CHECK(contains(failure({"rle.bmp", packed}), "compressed by run lengths"));
  nad::EncodedImage wide = encoded("rgb.png");
  wide.bytes[18] = 16385 >> 8, wide.bytes[19] = 16385 & 255;
  CHECK(contains(failure(wide), "16385x"));
  // Four components and no Adobe marker: the frame header of a JPEG of three, changed.
  nad::EncodedImage cmyk = encoded("rgb.jpg");
  const uint8_t frame[2] = {0xFF, 0xC0};
  const auto found = std::search(cmyk.bytes.begin(), cmyk.bytes.end(), std::begin(frame), std::end(frame));
  REQUIRE(found != cmyk.bytes.end());
  found[9] = 4;
  CHECK(contains(failure(cmyk), "CMYK"));
}

TEST_CASE("a Huffman table with more than 256 codes is refused") {
  nad::EncodedImage image = encoded("rgb.jpg");
  const uint8_t marker[2] = {0xFF, 0xC4};
  const auto table = std::search(image.bytes.begin(), image.bytes.end(), std::begin(marker), std::end(marker));
  REQUIRE(table != image.bytes.end());
  table[2] = 2;  // a segment of 565 bytes: one table with 17 + 546 bytes and 546 codes
  table[3] = 0x35;
  std::fill(table + 5, table + 21, uint8_t{0});
  table[5 + 14] = 255, table[5 + 15] = 255, table[5 + 13] = 36;
  CHECK(contains(failure(image), "damaged Huffman tables"));
}

TEST_CASE("damaged bytes never crash the decoder") {
  for (const std::string& name : golden_names("encoded/")) {
    for (uint64_t trial = 0; trial < 200; trial++) {
      nad::EncodedImage image = encoded(name.substr(8));
      for (uint64_t k = 0; k < 3; k++) {
        const uint64_t bits = nad::random_bits(trial, k);
        image.bytes[bits % image.bytes.size()] = static_cast<uint8_t>(bits >> 56);
      }
      try {
        const Image decoded = nad::decode_image(image);
        CHECK(decoded.rgb.size() == size_t{3} * static_cast<size_t>(decoded.width * decoded.height));
      } catch (const nad::Error& e) {
        CHECK(contains(e.what(), image.name));
      }
    }
  }
}

namespace {

// results: the records' folder.
void check_resizing(nad::Interpolation interpolation, const std::string& results) {
  const Image image = source("00");
  nad::Resizer resizer(interpolation), portable(interpolation, false);
  for (const std::string& name : golden_names("resize/", "/box")) {
    CAPTURE(name);
    const std::vector<int32_t>& p = golden(name).ints;
    const std::vector<uint8_t>& expected = golden(results + name.substr(6, name.size() - 9) + "rgb").bytes;
    const Box crop{p[0], p[1], p[2], p[3]};
    const int width = p[4], height = p[5];
    std::vector<uint8_t> out(expected.size() + 16, 0xA5);
    resizer.resize(image, crop, width, height, {0, 0, width, height}, out.data());
    CHECK(std::all_of(out.end() - 16, out.end(), [](uint8_t v) { return v == 0xA5; }));
    out.resize(expected.size());
    CHECK(out == expected);
    std::fill(out.begin(), out.end(), uint8_t{0});
    portable.resize(image, crop, width, height, {0, 0, width, height}, out.data());
    CHECK(out == expected);

    const Box window{width / 3, height / 4, std::max(1, width / 2), std::max(1, height / 3)};
    std::vector<uint8_t> part(size_t{3} * static_cast<size_t>(window.width * window.height));
    resizer.resize(image, crop, width, height, window, part.data());
    for (int y = 0; y < window.height; y++) {
      const auto row = expected.begin() + 3 * ((window.top + y) * width + window.left);
      CHECK(std::equal(row, row + 3 * window.width, part.begin() + 3 * y * window.width));
    }
  }
}

}  // namespace

TEST_CASE("resizing equals Pillow bit for bit, and a window equals that part of the whole") {
  check_resizing(nad::Interpolation::bilinear, "resize");
  check_resizing(nad::Interpolation::bicubic, "bicubic");
}

TEST_CASE("resizing rejects boxes and images that do not fit") {
  const Image image = source("00");
  nad::Resizer resizer;
  std::vector<uint8_t> out(3 * 64 * 64);
  const Box whole{0, 0, image.width, image.height}, window{0, 0, 8, 8};
  CHECK_THROWS_AS(resizer.resize(image, {1, 0, image.width, 5}, 8, 8, window, out.data()), nad::Error);
  CHECK_THROWS_AS(resizer.resize(image, {0, 0, 0, 5}, 8, 8, window, out.data()), nad::Error);
  CHECK_THROWS_AS(resizer.resize(image, {-1, 0, 5, 5}, 8, 8, window, out.data()), nad::Error);
  CHECK_THROWS_AS(resizer.resize(image, whole, 8, 8, {1, 0, 8, 8}, out.data()), nad::Error);
  CHECK_THROWS_AS(resizer.resize({4, 4, std::vector<uint8_t>(5)}, {0, 0, 4, 4}, 8, 8, window, out.data()),
                  nad::Error);
  CHECK_THROWS_AS(nad::resize(image, 0, 4), nad::Error);
}

TEST_CASE("a flat image stays flat at the largest reduction") {
  const Image image{nad::kMaxImageSide, 2, std::vector<uint8_t>(size_t{6} * nad::kMaxImageSide, 255)};
  const Image small = nad::resize(image, 1, 1);
  CHECK(small.rgb == std::vector<uint8_t>(3, 255));
}

TEST_CASE("evaluation preprocessing equals torchvision") {
  for (const std::string& name : golden_names("evaluate/")) {
    CAPTURE(name);
    const Record& expected = golden(name);
    std::vector<float> out(expected.floats.size(), std::numeric_limits<float>::quiet_NaN());
    nad::preprocess_eval(source(name.substr(name.size() - 2)), expected.shape[0], {}, out.data());
    CHECK(out == expected.floats);
  }
}

TEST_CASE("evaluation with another share and bicubic equals torchvision") {
  for (const std::string& name : golden_names("evaluate_bicubic/")) {
    CAPTURE(name);
    const Record& expected = golden(name);
    std::vector<float> out(expected.floats.size(), std::numeric_limits<float>::quiet_NaN());
    nad::Preprocessing preprocessing;
    preprocessing.resize_size = std::stoi(name.substr(20));
    preprocessing.interpolation = nad::Interpolation::bicubic;
    nad::preprocess_eval(source(name.substr(17, 2)), expected.shape[0], preprocessing, out.data());
    CHECK(out == expected.floats);
  }
}

TEST_CASE("crop, resize, flip and normalisation equal torchvision") {
  for (const std::string& name : golden_names("augment/", "/box")) {
    CAPTURE(name);
    const std::vector<int32_t>& p = golden(name).ints;
    const std::vector<float>& expected = golden(name.substr(0, name.size() - 3) + "f32").floats;
    std::vector<float> out(expected.size(), std::numeric_limits<float>::quiet_NaN());
    nad::Preprocessor preprocessor(p[5], {});
    preprocessor.augment(source("00"), {{p[0], p[1], p[2], p[3]}, p[4] != 0}, out.data());
    CHECK(out == expected);
  }
}

TEST_CASE("random crops follow torchvision's distribution and stay inside the image") {
  constexpr int kDraws = 20000;
  for (const std::string& name : golden_names("crops/")) {
    CAPTURE(name);
    int width = 0, height = 0;
    REQUIRE(std::sscanf(name.c_str(), "crops/%dx%d", &width, &height) == 2);
    double sum[5] = {}, square[5] = {};
    int flips = 0;
    for (int n = 0; n < kDraws; n++) {
      const nad::Augmentation a =
          nad::draw_augmentation(nad::augmentation_key(233, "n01440764", 0, n), width, height);
      const Box& b = a.crop;
      REQUIRE((b.width > 0 && b.left >= 0 && b.left + b.width <= width));
      REQUIRE((b.height > 0 && b.top >= 0 && b.top + b.height <= height));
      const double values[5] = {double(b.width) * b.height / (double(width) * height),
                                std::log(double(b.width) / b.height), (b.left + b.width / 2.0) / width,
                                (b.top + b.height / 2.0) / height, double(b.width == width && b.height == height)};
      for (int k = 0; k < 5; k++) sum[k] += values[k], square[k] += values[k] * values[k];
      flips += a.flip;
    }
    CHECK(std::abs(flips - kDraws / 2) <= 5 * std::sqrt(kDraws / 4.0));
    for (int k = 0; k < 5; k++) {
      CAPTURE(k);
      const double mean = sum[k] / kDraws, deviation = std::sqrt(std::max(0.0, square[k] / kDraws - mean * mean));
      const double mean_there = golden(name).floats[k], deviation_there = golden(name).floats[5 + k];
      // Five standard errors of the difference of two means of 20,000 draws. Whole images (k = 4) are rare.
      CHECK(std::abs(mean - mean_there) <= 5 * deviation_there * std::sqrt(2.0 / kDraws) + (k == 4 ? 5e-4 : 1e-6));
      if (k < 4) CHECK(std::abs(deviation - deviation_there) <= 0.05 * deviation_there);
    }
  }
}

TEST_CASE("a draw depends on seed, class, epoch and image, and on nothing else") {
  const auto key = [](uint64_t seed, const char* id, int64_t epoch, int64_t image) {
    return nad::augmentation_key(seed, id, epoch, image);
  };
  CHECK(key(233, "a", 1, 2) == key(233, "a", 1, 2));
  const std::set<uint64_t> keys{key(233, "a", 1, 2), key(234, "a", 1, 2), key(233, "b", 1, 2),
                                key(233, "a", 2, 2), key(233, "a", 1, 3), key(233, "a", 2, 1)};
  CHECK(keys.size() == 6);
  const nad::Augmentation once = nad::draw_augmentation(77, 300, 200), again = nad::draw_augmentation(77, 300, 200);
  CHECK(once.crop == again.crop);
  CHECK(once.flip == again.flip);
  // The draw itself is part of the results: a change of it changes every run.
  CHECK(nad::draw_augmentation(1, 1, 1).crop == Box{0, 0, 1, 1});
}

}  // namespace
