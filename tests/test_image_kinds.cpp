// Every kind of image in tests/data/images (drawn by tests/data/make_images.py) becomes the pixels beside it: Pillow's,
// or what docs/IMAGES.md promises. And what is damaged is one line.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/rng.h"
#include "nad/images/dataset.h"
#include "nad/images/images.h"
#include "tests/weights_file.h"

namespace {

namespace fs = std::filesystem;
using nad::Image;
using Bytes = std::vector<uint8_t>;

Bytes read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string(), " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Kind {
  nad::EncodedImage encoded;  // its name is the file's, without folders
  Image expected;
  bool own = false;  // docs/IMAGES.md, not Pillow
};

std::vector<Kind> read_kinds() {
  std::vector<Kind> kinds;
  for (const auto& entry : fs::directory_iterator(NAD_SOURCE_DIR "/tests/data/images")) {
    const std::string path = entry.path().string();
    if (path.ends_with(".rgb")) continue;
    const Bytes pixels = read(path + ".rgb");
    const auto line = std::find(pixels.begin(), pixels.end(), '\n');
    REQUIRE(line != pixels.end());
    Kind kind;
    kind.encoded = {entry.path().filename().string(), read(path)};
    std::string rule;
    std::istringstream(std::string(pixels.begin(), line)) >> kind.expected.width >> kind.expected.height >> rule;
    kind.own = rule == "own";
    kind.expected.rgb.assign(line + 1, pixels.end());
    REQUIRE(kind.expected.rgb.size() == size_t{3} * static_cast<size_t>(kind.expected.width * kind.expected.height));
    kinds.push_back(std::move(kind));
  }
  std::sort(kinds.begin(), kinds.end(), [](const Kind& a, const Kind& b) { return a.encoded.name < b.encoded.name; });
  return kinds;
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = read_kinds();
  return all;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool have(const std::string& library) { return contains(nad::image_decoders(), library); }

// The error's line, or "decoded".
std::string outcome(const nad::EncodedImage& encoded, Image* image = nullptr) {
  try {
    const Image decoded = nad::decode_image(encoded);
    CHECK(decoded.rgb.size() == size_t{3} * static_cast<size_t>(decoded.width) * static_cast<size_t>(decoded.height));
    if (image) *image = decoded;
    return "decoded";
  } catch (const nad::Error& e) {
    CHECK(e.kind() == nad::ErrorKind::data);
    CHECK(contains(e.what(), encoded.name));
    CHECK_FALSE(contains(e.what(), "\n"));
    return e.what();
  }
}

// What a build without some of the libraries refuses.
bool is_left_out(const std::string& said, const std::string& name) {
  if (contains(said, "for which this build has no library")) return true;
  return contains(name, "arithmetic") && !have("libjpeg-turbo");
}

// Over all columns but the last `spared`.
int largest_difference(const Image& image, const Image& expected, int spared = 0) {
  if (image.rgb.size() != expected.rgb.size() || image.width != expected.width) return 256;
  int most = 0;
  for (size_t i = 0; i < image.rgb.size(); i++) {
    if (static_cast<int>(i / 3) % image.width >= image.width - spared) continue;
    most = std::max(most, std::abs(int{image.rgb[i]} - int{expected.rgb[i]}));
  }
  return most;
}

}  // namespace

TEST_CASE("every kind of image has the pixels of Pillow, or those that the documents promise") {
  CHECK(kinds().size() >= 60);
  int decoded = 0;
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.encoded.name);
    Image image;
    const std::string said = outcome(kind.encoded, &image);
    if (is_left_out(said, kind.encoded.name)) continue;
    CHECK(said == "decoded");
    CHECK(image.width == kind.expected.width);
    CHECK(image.height == kind.expected.height);
    // stb_image's inverse transform and colours differ by a few units, and where colours are halved in one direction alone its
    // last column but one is weighed the wrong way round.
    const bool jpeg = kind.encoded.bytes[0] == 0xFF || contains(kind.encoded.name, ".JPEG");
    const bool stb_jpeg = jpeg && !have("libjpeg-turbo");
    CHECK(largest_difference(image, kind.expected, stb_jpeg ? 2 : 0) <= (stb_jpeg ? 6 : 1));
    if (kind.own) CHECK(largest_difference(image, kind.expected) == 0);
    ++decoded;
  }
  CHECK(decoded >= 20);
  if (have("libjpeg-turbo") && have("libwebp") && have("giflib") && have("libtiff") && have("zlib"))
    CHECK(decoded == static_cast<int>(kinds().size()));
  MESSAGE(decoded << " of " << kinds().size() << " decoded by " << nad::image_decoders());
}

TEST_CASE("a file that is cut short is an error or its whole first picture, never a part of it") {
  for (const Kind& kind : kinds()) {
    Image whole;
    if (outcome(kind.encoded, &whole) != "decoded") continue;
    for (size_t size = 0; size < kind.encoded.bytes.size(); size += size < 64 ? 1 : 7) {
      CAPTURE(kind.encoded.name);
      CAPTURE(size);
      nad::EncodedImage cut = kind.encoded;
      cut.bytes.resize(size);
      Image image;
      // A GIF or TIFF may hold more behind its first picture, a text may end in any digit.
      if (outcome(cut, &image) == "decoded" && !kind.encoded.name.starts_with("text.")) CHECK(image.rgb == whole.rgb);
    }
  }
}

TEST_CASE("damaged files are decoded or refused in one line") {
  for (const Kind& kind : kinds()) {
    for (uint64_t trial = 0; trial < 300; trial++) {
      nad::EncodedImage damaged = kind.encoded;
      for (uint64_t k = 0; k < 1 + trial % 4; k++) {
        const uint64_t bits = nad::random_bits(trial, k);
        // Every other trial within the header, which steers the decoder.
        const size_t reach = trial % 2 ? damaged.bytes.size() : std::min<size_t>(64, damaged.bytes.size());
        damaged.bytes[bits % reach] = static_cast<uint8_t>(bits >> 56);
      }
      outcome(damaged);
    }
  }
}

TEST_CASE("threads decode side by side") {
  std::vector<std::string> once;
  std::vector<Image> images(kinds().size());
  for (size_t i = 0; i < kinds().size(); i++) once.push_back(outcome(kinds()[i].encoded, &images[i]));
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; t++) {
      threads.emplace_back([&] {
        for (int round = 0; round < 20; round++) {
          for (size_t i = 0; i < kinds().size(); i++) {
            const Kind& kind = kinds()[i];
            try {
              wrong += nad::decode_image(kind.encoded).rgb != images[i].rgb;
            } catch (const nad::Error& e) {
              wrong += e.what() != once[i];
            }
          }
        }
      });
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("formats are told by the first bytes, and what this build lacks is named") {
  const auto line = [](const std::string& name, const std::string& bytes) {
    return outcome({name, Bytes(bytes.begin(), bytes.end())});
  };
  CHECK(contains(line("page.jpg", "<html>404</html>"), "image page.jpg: not an image"));
  CHECK(contains(line("page.jpg", "<html>404</html>"), nad::readable_images() + " images are read"));
  CHECK(contains(line("cut.gif", "GIF89a"), have("giflib") ? "cut short or damaged" : "a GIF file, for which"));
  CHECK(
      contains(line("a.webp", std::string("RIFF\x20\0\0\0WEBPVP8 ", 16)), have("libwebp") ? "cut short" : "a WebP"));
  CHECK(contains(line("a.tif", std::string("II*\0\x08\0\0\0", 8)), have("libtiff") ? "cannot be opened" : "a TIFF"));
  CHECK(contains(line("a.gz", "\x1F\x8B\x08"), have("zlib") ? "cut short" : "a gzip"));
  CHECK(nad::has_image_ending("A.JPeG"));
  CHECK(nad::has_image_ending("a.jfif"));
  CHECK(nad::has_image_ending("a.webp") == have("libwebp"));
  CHECK(nad::has_image_ending("a.jpg.gz") == have("zlib"));
  CHECK_FALSE(nad::has_image_ending("a.jpg.txt"));
  CHECK_FALSE(nad::has_image_ending("jpg"));
}

TEST_CASE("PGM and PPM: what is wrong with one is said") {
  const auto line = [](const std::string& text) { return outcome({"a.ppm", Bytes(text.begin(), text.end())}); };
  CHECK(contains(line("P3 1 1 255 1 2"), "cut short"));
  CHECK(contains(line("P3 1 1 255 1 2 256"), "above the maximum of 255"));
  CHECK(contains(line("P3 1 1 255 1 2 x"), "a letter where a number is expected"));
  CHECK(contains(line("P3 1 1 0 1 2 3"), "the maximum is 0"));
  CHECK(contains(line("P3 1 1 65536 1 2 3"), "the maximum is 65536"));
  CHECK(contains(line("P6 16384 16384 255 "), "16384x16384 pixels"));
  CHECK(contains(line("P6 16384 8192 255 "), "cut short"));
  CHECK(contains(line("P3 16384 8192 255 "), "cut short"));
  CHECK(contains(line("P6 99999999999 1 255 "), "above 2147483647"));
  Image image;
  CHECK(outcome({"a.pgm", {'P', '2', '#', '7', '\n', '1', ' ', '2', ' ', '#', '\r', '3', ' ', '0', ' ', '3'}},
                &image) == "decoded");
  CHECK(image.rgb == Bytes{0, 0, 0, 255, 255, 255});
}

TEST_CASE("folders: every image is listed, what is not read is counted by ending") {
  const nad::test::Folder dir;
  const fs::path folder = dir.path / "train" / "fish";
  fs::create_directories(folder);
  for (const Kind& kind : kinds()) {
    std::ofstream(folder / kind.encoded.name, std::ios::binary)
        .write(reinterpret_cast<const char*>(kind.encoded.bytes.data()),
               static_cast<std::streamsize>(kind.encoded.bytes.size()));
  }
  for (const char* name : {"a.heic", "b.heic", "notes.txt", "README", ".hidden.heic"})
    std::ofstream(folder / name) << "x";
  const nad::FolderSource source(dir.path.string());
  nad::EndingCounts expected = {{".heic", 2}, {".txt", 1}, {"", 1}};
  int64_t listed = 0;
  for (const Kind& kind : kinds()) {
    const bool read_here = nad::has_image_ending(kind.encoded.name);
    listed += read_here;
    if (!read_here) expected[fs::path(kind.encoded.name).extension().string()]++;
  }
  CHECK(source.count("train", "fish") == listed);
  CHECK(source.unread("train", "fish") == expected);
  CHECK(source.unread("train", "bird").empty());
  CHECK(nad::to_text({{".heic", 2}, {"", 1}}) == "3 files are not read: 1 without ending, 2 .heic");
  CHECK(nad::to_text({{".txt", 1}}) == "1 file is not read: 1 .txt");
  CHECK(nad::to_text({}).empty());
  std::vector<std::string> lines;
  const nad::DecodedClass c =
      nad::decode_class(source, "train", 0, "fish", 2, [&](const std::string& text) { lines.push_back(text); });
  CHECK(static_cast<int64_t>(c.images.size()) + c.broken == listed);
  CHECK(static_cast<int64_t>(lines.size()) == c.broken);

  fs::create_directories(dir.path / "train" / "phone");
  std::ofstream(dir.path / "train" / "phone" / "a.heic") << "x";
  try {
    nad::decode_class(source, "train", 1, "phone", 1, nullptr);
    FAIL("a class without images");
  } catch (const nad::Error& e) {
    CHECK(contains(e.what(), "(0 broken; 1 file is not read: 1 .heic)"));
  }
}
