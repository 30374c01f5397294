// Class folders, packed images, class matching, and the decoding of a class.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/error.h"
#include "nad/images/dataset.h"
#include "nad/images/half_source.h"
#include "nad/images/image_pool.h"
#include "nad/images/loader.h"
#include "nad/images/shuffled_source.h"
#include "tests/weights_file.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<uint8_t>;
using nad::test::Folder;

void write(const fs::path& path, const Bytes& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// A 24-bit BMP of one colour.
Bytes bmp(int width, int height, uint8_t red, uint8_t green, uint8_t blue) {
  const int row = (width * 3 + 3) / 4 * 4;
  Bytes b(static_cast<size_t>(54 + row * height), 0);
  b[0] = 'B', b[1] = 'M', b[10] = 54, b[14] = 40, b[26] = 1, b[28] = 24;
  b[18] = static_cast<uint8_t>(width), b[22] = static_cast<uint8_t>(height);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      uint8_t* pixel = b.data() + 54 + y * row + 3 * x;
      pixel[0] = blue, pixel[1] = green, pixel[2] = red;
    }
  }
  return b;
}

std::string failure(const std::function<void()>& body, nad::ErrorKind kind = nad::ErrorKind::data) {
  try {
    body();
  } catch (const nad::Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_CASE("a folder source lists what are images, sorted, and nothing else") {
  const Folder dir;
  for (const char* name :
       {"b.JPG", "a.bmp", "c.Jpeg", "B.pNg", "notes.txt", "noending", ".hidden.jpg", "x.jpg.txt"}) {
    write(dir.path / "train/fish" / name, bmp(2, 2, 1, 2, 3));
  }
  write(dir.path / "train/dog/one.bmp", bmp(2, 2, 1, 2, 3));
  write(dir.path / "train/.cache/one.bmp", bmp(2, 2, 1, 2, 3));
  write(dir.path / "train/stray.bmp", bmp(2, 2, 1, 2, 3));
  fs::create_directories(dir / "train/fish/folder.jpg");
  fs::create_symlink(dir / "nowhere", dir / "train/fish/lost.png");

  const nad::FolderSource source(dir.path.string());
  CHECK(source.has_split("train"));
  CHECK_FALSE(source.has_split("val"));
  CHECK(source.classes("train") == std::vector<std::string>{"dog", "fish"});
  CHECK(contains(failure([&] { source.classes("val"); }), "val"));
  CHECK(source.load("train", "cat").empty());
  std::vector<std::string> names;
  for (const nad::EncodedImage& image : source.load("train", "fish")) {
    names.push_back(fs::path(image.name).filename().string());
    CHECK(image.bytes.empty() == (names.back() == "lost.png"));
  }
  CHECK(names == std::vector<std::string>{"B.pNg", "a.bmp", "b.JPG", "c.Jpeg", "lost.png"});
}

TEST_CASE("folders that are missing are named") {
  const Folder dir;
  CHECK(contains(failure([&] { nad::FolderSource((dir.path / "absent").string()); }), "absent"));
  CHECK(contains(failure([&] { nad::FolderSource(dir.path.string()); }), "neither train nor val"));
  write(dir.path / "file", {1});
  CHECK(contains(failure([&] { nad::FolderSource((dir.path / "file").string()); }), "no image folder"));
}

TEST_CASE("packed images are read by class, and a broken one is named with its file") {
  const nad::test::Watch watch;
  const Folder dir;
  const std::string path = nad::test::make_file(
      dir / "packed.h5", [](hid_t file) { nad::test::put_bytes(file, "images/train/n2/c.bmp", bmp(5, 4, 9, 8, 7)); });
  const nad::WeightsFile file(path);
  const nad::PackedSource source(file);
  CHECK(source.has_split("train"));
  CHECK(source.classes("train") == std::vector<std::string>{"n2"});
  CHECK(source.load("train", "n1").empty());
  std::vector<std::string> reports;
  const nad::DecodedClass c =
      nad::decode_class(source, "train", 1, "n2", 2, [&](const std::string& r) { reports.push_back(r); });
  REQUIRE(c.images.size() == 1);
  CHECK(c.images[0].width == 5);
  CHECK(c.images[0].rgb[0] == 9);
  CHECK(c.broken == 2);
  REQUIRE(reports.size() == 2);
  CHECK(contains(reports[0], path + ":train/n2/a.png"));
  CHECK(contains(failure([&] { nad::decode_class(source, "val", 2, "n3", 2, nullptr); }), path + ":val/n3"));

  const std::string bare =
      nad::test::make_file(dir / "bare.h5", [](hid_t f) { H5Ldelete(f, "images", H5P_DEFAULT); });
  const nad::WeightsFile without(bare);
  CHECK(contains(failure([&] { nad::PackedSource nothing(without); }), "has no packed images"));
}

TEST_CASE("classes are matched by id, or by sorted order where there are no ids") {
  using Names = std::vector<std::string>;
  const nad::ClassMatch by_id = nad::match_classes({"a", "c", "z"}, {"c", "b", "a"}, 3);
  CHECK(by_id.source_class == Names{"c", "", "a"});
  CHECK(by_id.ignored == Names{"z"});
  CHECK(nad::match_classes({"a", "b"}, {}, 2).source_class == Names{"a", "b"});
  CHECK(nad::match_classes({"a", "b"}, {}, 2).ignored.empty());
  const std::string counts = failure([] { nad::match_classes({"a", "b"}, {}, 365); });
  CHECK(contains(counts, "365"));
  CHECK(contains(counts, " 2 "));
  CHECK(contains(failure([] { nad::match_classes({"x", "y"}, {"a", "b"}, 2); }), "none of the 2 class folders"));
  CHECK(contains(failure([] { nad::match_classes({}, {"a", "b"}, 2); }), "none of the 0 class folders"));
}

TEST_CASE("broken images are reported in order, counted and left out") {
  const Folder dir;
  for (int n = 0; n < 6; n++)
    write(dir.path / "train/fish" / (std::to_string(n) + ".bmp"), bmp(3 + n, 2, 10, 20, 30));
  write(dir.path / "train/fish/1.bmp", {});
  write(dir.path / "train/fish/4.bmp", {'n', 'o'});
  const nad::FolderSource source(dir.path.string());
  for (int workers : {1, 3}) {
    std::vector<std::string> reports;
    const nad::DecodedClass c =
        nad::decode_class(source, "train", 7, "fish", workers, [&](const std::string& r) { reports.push_back(r); });
    CHECK(c.index == 7);
    CHECK(c.source_class == "fish");
    CHECK(c.broken == 2);
    REQUIRE(c.images.size() == 4);
    REQUIRE(c.names.size() == 4);
    for (size_t i = 0; i < 4; i++) CHECK(c.images[i].width == std::vector<int>{3, 5, 6, 8}[i]);
    CHECK(c.images[0].rgb[0] == 10);
    CHECK(c.images[0].rgb[2] == 30);
    CHECK(c.names[1].ends_with("2.bmp"));
    REQUIRE(reports.size() == 2);
    CHECK(contains(reports[0], "1.bmp"));
    CHECK(contains(reports[1], "4.bmp"));
  }
}

TEST_CASE("a class without a usable image is an error that names class and folder") {
  const Folder dir;
  write(dir.path / "train/fish/a.bmp", {'B', 'M'});
  fs::create_directories(dir / "train/empty");
  const nad::FolderSource source(dir.path.string());
  const std::string broken = failure([&] { nad::decode_class(source, "train", 3, "fish", 2, nullptr); });
  CHECK(contains(broken, "class 3 (fish)"));
  CHECK(contains(broken, (dir.path / "train/fish").string()));
  CHECK(contains(broken, "1 broken"));
  CHECK(contains(failure([&] { nad::decode_class(source, "train", 4, "empty", 2, nullptr); }), "class 4 (empty)"));
  CHECK(contains(failure([&] { nad::decode_class(source, "train", 5, "cat", 2, nullptr); }), "class 5 (cat)"));
}

// The folder of real images, or an empty path: then the test says so and checks nothing.
fs::path real_data(const std::string& folder) {
  const char* variable = std::getenv("NAD_TEST_DATA");
  const fs::path root = variable ? fs::path(variable) : fs::path(NAD_SOURCE_DIR) / ".." / "shared" / "data";
  if (fs::is_directory(root / folder)) return root / folder;
  MESSAGE("skipped: no folder " << (root / folder).string() << " (set NAD_TEST_DATA)");
  return {};
}

TEST_CASE("real images: every class decodes, is matched by id and gives finite batches") {
  const fs::path folder = real_data("imagenette224");
  if (folder.empty()) return;
  const nad::FolderSource source(folder.string());
  const std::vector<std::string> classes = source.classes("train");
  REQUIRE(classes.size() == 10);
  std::vector<std::string> ids{"n00000000"};
  ids.insert(ids.end(), classes.rbegin(), classes.rend());
  const nad::ClassMatch match = nad::match_classes(classes, ids, 11);
  CHECK(match.ignored.empty());
  CHECK(match.source_class[0].empty());
  for (size_t k = 1; k < ids.size(); k++) {
    CAPTURE(ids[k]);
    REQUIRE(match.source_class[k] == ids[k]);
    const nad::DecodedClass train = nad::decode_class(source, "train", 1, ids[k], 2, nullptr);
    const nad::DecodedClass val = nad::decode_class(source, "val", 1, ids[k], 2, nullptr);
    CHECK(train.images.size() == 60);
    CHECK(val.images.size() == 40);
    CHECK(train.broken + val.broken == 0);
    nad::LoaderOptions options;
    options.steps = 2;
    nad::BatchLoader loader(train, options);
    for (int step = 0; step < 2; step++) {
      const nad::Batch& b = loader.next();
      CHECK(b.valid == 16);
      CHECK(std::all_of(b.images, b.images + 16 * 224 * 224 * 3, [](float v) { return v > -3 && v < 3; }));
    }
  }
}

TEST_CASE("real images: one JPEG of each of ImageNet's first 50 classes decodes") {
  const fs::path folder = real_data("imagenet1k");
  if (folder.empty()) return;
  const nad::FolderSource source(folder.string());
  const std::vector<std::string> classes = source.classes("train");
  CHECK(classes.size() == 1000);
  for (size_t k = 0; k < std::min<size_t>(50, classes.size()); k++) {
    const nad::DecodedClass c = nad::decode_class(source, "train", 0, classes[k], 1, nullptr);
    CHECK(c.broken == 0);
    CHECK(c.images.size() == 1);
  }
}

TEST_CASE("some images of a class are loaded by their places") {
  const Folder dir;
  for (const char* name : {"a.bmp", "b.bmp", "c.bmp"}) write(dir.path / "val/fish" / name, bmp(2, 2, 1, 2, 3));
  const nad::FolderSource source(dir.path.string());
  const std::vector<nad::EncodedImage> some = source.load("val", "fish", {0, 2});
  REQUIRE(some.size() == 2);
  CHECK(fs::path(some[1].name).filename() == "c.bmp");
  CHECK(contains(failure([&] { source.load("val", "fish", {3}); }), "fewer images"));
}

TEST_CASE("shuffled labels: every class keeps its number of training images, all of them are dealt once") {
  const Folder dir;
  const std::map<std::string, int> counts = {{"bird", 40}, {"fish", 30}, {"other", 4}, {"tree", 20}};
  for (const auto& [name, count] : counts) {
    for (const char* split : {"train", "val"}) {
      for (int i = 0; i < count; i++) {
        write(dir.path / split / name / (std::to_string(100 + i) + ".bmp"),
              bmp(2, 2, static_cast<uint8_t>(i), static_cast<uint8_t>(name[0]), 0));
      }
    }
  }
  const auto shuffled = [&](uint64_t seed) {
    return nad::ShuffledSource(std::make_unique<nad::FolderSource>(dir.path.string()), {"tree", "bird", "fish"},
                               seed);
  };
  const auto names = [](const nad::ImageSource& source, const char* split, const std::string& name) {
    std::vector<std::string> all;
    for (const nad::EncodedImage& image : source.load(split, name)) all.push_back(image.name);
    return all;
  };
  const nad::ShuffledSource source = shuffled(7), again = shuffled(7), other = shuffled(8);
  std::set<std::string> dealt;
  int strangers = 0;
  for (const char* name : {"bird", "fish", "tree"}) {
    CAPTURE(std::string(name));
    const std::vector<std::string> mine = names(source, "train", name);
    CHECK(static_cast<int>(mine.size()) == counts.at(name));
    CHECK(source.count("train", name) == counts.at(name));
    CHECK(std::is_sorted(mine.begin(), mine.end()));
    CHECK(mine == names(again, "train", name));
    CHECK(mine != names(other, "train", name));
    for (const std::string& image : mine) strangers += image.find(std::string("/") + name + "/") == std::string::npos;
    dealt.insert(mine.begin(), mine.end());
    CHECK(source.load("train", name, {3, 5})[1].name == mine[5]);
    CHECK(contains(failure([&] { source.load("train", name, {counts.at(name)}); }), "fewer"));
    CHECK(source.count("val", name) == counts.at(name));
    for (const std::string& image : names(source, "val", name)) CHECK(contains(image, "/val/" + std::string(name)));
  }
  CHECK(dealt.size() == 90);
  CHECK(std::abs(strangers - 58) < 15);                // 90 * (1 - (40^2 + 30^2 + 20^2) / 90^2) = 57.8
  CHECK(names(source, "train", "other").size() == 4);  // not among the classes: as it is
  CHECK(contains(names(source, "train", "other")[0], "/other/"));
}

TEST_CASE("two halves of a class share no image and hold them all; val images are not halved") {
  using nad::Half;
  for (const int64_t count : {0, 1, 2, 7, 1000}) {
    CAPTURE(count);
    const std::vector<int64_t> first = nad::half_of_images("fish", count, Half::first);
    const std::vector<int64_t> second = nad::half_of_images("fish", count, Half::second);
    CHECK(static_cast<int64_t>(first.size()) == (count + 1) / 2);
    CHECK((std::is_sorted(first.begin(), first.end()) && std::is_sorted(second.begin(), second.end())));
    std::vector<int64_t> both = first;
    both.insert(both.end(), second.begin(), second.end());
    std::sort(both.begin(), both.end());
    CHECK(both == nad::half_of_images("fish", count, Half::all));
  }
  // Neighbours (a name's frames, mirrored copies) fall as they may: about half of the pairs into one half.
  std::set<int64_t> first;
  for (const int64_t i : nad::half_of_images("fish", 1000, Half::first)) first.insert(i);
  int together = 0;
  for (int64_t i = 0; i < 1000; i += 2) together += first.contains(i) == first.contains(i + 1);
  CHECK(std::abs(together - 250) < 50);
  CHECK(nad::half_of_images("bird", 1000, Half::first) != nad::half_of_images("fish", 1000, Half::first));

  const Folder dir;
  for (const char* split : {"train", "val"}) {
    for (int i = 0; i < 5; i++) {
      write(dir.path / split / "fish" / (std::to_string(i) + ".bmp"), bmp(2, 2, static_cast<uint8_t>(i), 0, 0));
    }
  }
  const auto half = [&](Half which) {
    return nad::HalfSource(std::make_unique<nad::FolderSource>(dir.path.string()), which);
  };
  std::multiset<int> reds;
  for (const Half which : {Half::first, Half::second}) {
    const nad::HalfSource source = half(which);
    CHECK(source.count("train", "fish") == (which == Half::first ? 3 : 2));
    CHECK(source.count("val", "fish") == 5);
    CHECK(source.load("val", "fish").size() == 5);
    for (const nad::Image& image : nad::decode_class(source, "train", 0, "fish", 1, nullptr).images)
      reds.insert(image.rgb[0]);
    CHECK(source.load("train", "fish", {1})[0].name == source.load("train", "fish")[1].name);
    CHECK(contains(failure([&] { source.load("train", "fish", {3}); }), "fewer images"));
  }
  CHECK(reds == std::multiset<int>{0, 1, 2, 3, 4});
}

TEST_CASE("a pool takes evenly from the classes, each image once, the same for a seed") {
  const Folder dir;
  // Class k has images of its own brightness: 20 k + place. Class 2 has two images, class 3 none, class 4 no folder.
  const std::vector<std::string> names = {"ant", "bee", "cat", "dog", ""};
  for (size_t k = 0; k < 4; k++) {
    fs::create_directories(dir.path / "val" / names[k]);
    const int images = k == 2 ? 2 : k == 3 ? 0 : 9;
    for (int i = 0; i < images; i++) {
      const auto grey = static_cast<uint8_t>(20 * static_cast<int>(k) + i);
      write(dir.path / "val" / names[k] / (std::to_string(i) + ".bmp"), bmp(2, 2, grey, grey, grey));
    }
  }
  const nad::FolderSource source(dir.path.string());
  std::vector<std::string> reports;
  const auto draw = [&](int64_t count, uint64_t seed, int64_t bytes = 1'000'000) {
    return nad::draw_image_pool(source, "val", names, {count, bytes}, seed, 2,
                                [&](const std::string& r) { reports.push_back(r); });
  };
  const auto of_class = [](const nad::ImagePool& pool, int64_t label) {
    return std::count(pool.labels.begin(), pool.labels.end(), label);
  };

  const nad::ImagePool pool = draw(10, 1);
  REQUIRE(pool.images.size() == 10);
  CHECK(of_class(pool, 2) == 2);
  CHECK(of_class(pool, 0) == 4);
  CHECK(of_class(pool, 1) == 4);
  std::set<int> seen;
  for (size_t i = 0; i < pool.images.size(); i++) {
    const int grey = pool.images[i].rgb[0];
    CHECK(grey / 20 == pool.labels[i]);
    CHECK(seen.insert(grey).second);
  }
  CHECK(draw(10, 1).labels == pool.labels);
  CHECK(draw(10, 1).images[3].rgb == pool.images[3].rgb);
  CHECK(draw(100, 1).images.size() == 20);
  CHECK(draw(0, 1).images.empty());
  // Three classes, 12 bytes an image: the first of the whole pool's images of each class.
  for (const auto& [bytes, images] : {std::pair{3 * 12 * 3, 8}, {3 * 12 * 2 + 35, 6}, {3 * 12, 3}, {13, 2}, {0, 1}}) {
    CAPTURE(bytes);
    const nad::ImagePool some = draw(100, 1, bytes), whole = draw(100, 1);
    CHECK(static_cast<int>(some.images.size()) == images);
    for (const int64_t label : {0, 1, 2}) {
      const auto begin = std::find(some.labels.begin(), some.labels.end(), label) - some.labels.begin();
      const auto begin_whole = std::find(whole.labels.begin(), whole.labels.end(), label) - whole.labels.begin();
      for (int64_t i = 0; i < of_class(some, label); i++)
        CHECK(some.images[begin + i].rgb == whole.images[begin_whole + i].rgb);
    }
  }
  std::set<int> first_of_seeds;
  for (uint64_t seed = 0; seed < 20; seed++) first_of_seeds.insert(draw(1, seed).images[0].rgb[0]);
  CHECK(first_of_seeds.size() > 5);

  CHECK(reports.empty());
  write(dir.path / "val/cat/1.bmp", {1, 2, 3});
  const nad::ImagePool damaged = draw(20, 1);
  CHECK(damaged.images.size() == 19);
  CHECK(damaged.broken == 1);
  CHECK(reports.size() == 1);
}

}  // namespace
