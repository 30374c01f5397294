// Validation images by a list: ImageNet's and Places365's forms, and lists that are wrong.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "engine/error.h"
#include "nad/images/list_source.h"
#include "tests/weights_file.h"

using nad::ListSource;
using nad::test::Folder;
using Strings = std::vector<std::string>;

namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// A flat folder of four val images, and train images of three classes.
struct Images : Folder {
  Images() {
    for (const char* name : {"val_1.JPEG", "val_2.JPEG", "val_3.JPEG", "val_4.JPEG"}) put(path / "val" / name, name);
    for (const char* name : {"n1", "n2", "n3"}) put(path / "train" / name / "a.jpg", name);
  }
  ListSource source(const std::string& lines, const Strings& ids = {"n1", "n2", "n3"}) const {
    put(path / "val.txt", lines);
    return {path.string(), (path / "val.txt").string(), ids};
  }
  std::string failure(const std::string& lines, const Strings& ids = {"n1", "n2", "n3"}) const {
    try {
      source(lines, ids);
    } catch (const nad::Error& e) {
      CHECK(e.kind() == nad::ErrorKind::data);
      return e.what();
    }
    return "";
  }
};

Strings names(const ListSource& source, const std::string& source_class) {
  Strings found;
  for (const nad::EncodedImage& image : source.load("val", source_class)) {
    found.push_back(fs::path(image.name).filename().string());
    CHECK(std::string(image.bytes.begin(), image.bytes.end()) == found.back());
  }
  return found;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("every form of list gives the same images") {
  const Images images;
  fs::create_directories(images.path / "val" / "sub");
  for (const char* lines : {
           "val_1.JPEG 2\nval_2.JPEG 0\n\nval_3.JPEG 2\nval_4.JPEG 1\n",  // val.txt, places365_val.txt
           "\xEF\xBB\xBFval_4.JPEG\tn2\r\nval_3.JPEG\tn3\r\nval_1.JPEG\tn3\r\nval_2.JPEG\tn1",  // ids
           "n3\nn1\nn3\nn2\n",                                                                  // one for each image
           "ImageId,PredictionString\nval_2,n1 85 1 499 272\nval_1,n3 1 2 3 4 n3 5 6 7 8\nval_3,n3 1 1 2 2\nval_4,n2 "
           "0 0 1 1\n",
           "/val/val_1.JPEG n3\nval/val_2.JPEG n1\nval/val_3.JPEG n3\n./val_4.JPEG n2\n",  // relative to DIR
       }) {
    CAPTURE(lines);
    const ListSource source = images.source(lines);
    CHECK(source.has_split("val"));
    CHECK(source.classes("val") == Strings{"n1", "n2", "n3"});
    CHECK(names(source, "n3") == Strings{"val_1.JPEG", "val_3.JPEG"});
    CHECK(names(source, "n2") == Strings{"val_4.JPEG"});
    CHECK(source.count("val", "n3") == 2);
    CHECK(source.count("val", "n9") == 0);
    CHECK(source.load("val", "n3", {1}).front().name == (images.path / "val" / "val_3.JPEG").string());
    CHECK(source.classes("train") == Strings{"n1", "n2", "n3"});
    CHECK(source.load("train", "n2").size() == 1);
    CHECK(contains(source.where("val", "n3"), "val.txt"));
  }
}

TEST_CASE("without ids an index counts the folders of train") {
  const Images images;
  CHECK(names(images.source("val_1.JPEG 0\nval_2.JPEG 2\n", {}), "n3") == Strings{"val_2.JPEG"});
}

TEST_CASE("an image of the list that is not there is a broken one") {
  const Images images;
  const ListSource source = images.source("val_1.JPEG 0\nlost.JPEG 0\n");
  REQUIRE(source.count("val", "n1") == 2);
  CHECK(source.load("val", "n1")[0].bytes.empty());
}

TEST_CASE("lists that are wrong are named with their line") {
  const Images images;
  CHECK(contains(images.failure("val_1.JPEG 0\nval_2.JPEG 3\n"), "val.txt, line 2: '3' is no class of the network"));
  CHECK(contains(images.failure("val_1.JPEG n4\n"), "has no class of the network, the first is 'n4'"));
  CHECK(images.source("val_1.JPEG n4\nval_2.JPEG n1\n").classes("val") == Strings{"n1", "n4"});
  CHECK(contains(images.failure("val_1.JPEG 0\nval_1.JPEG 1\n"), "line 2: val_1.JPEG is named twice"));
  CHECK(contains(images.failure("val_1.JPEG 0\nval_2.JPEG\n"), "line 2"));
  CHECK(contains(images.failure("n1\nn2\n"), "has 2 classes, but there are 4 images"));
  CHECK(contains(images.failure("490\n361\n171\n822\n"), "weights/val_list.py"));  // ILSVRC's own numbers
  CHECK(contains(images.failure("\n"), "is empty"));
  CHECK_THROWS_WITH_AS(ListSource(images.path.string(), (images.path / "absent").string(), {}),
                       doctest::Contains("cannot be read"), nad::Error);
  CHECK_THROWS_WITH_AS(ListSource((images.path / "absent").string(), "x", {}), doctest::Contains("no image folder"),
                       nad::Error);
}
