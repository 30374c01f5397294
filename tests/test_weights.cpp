// What the weights file loader reads: header, tensors, half precision, recipes, packed images.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <map>

#include "tests/weights_file.h"

using namespace nad::test;
using nad::WeightsFile;

namespace {

TEST_CASE("header, tensors and images of a complete file") {
  const Watch watch;
  const Folder folder;
  const WeightsFile file(make_file(folder / "w.h5", [](hid_t f) {
    put_int(f, "growth", 12);
    put_string(f, "interpolation", "bicubic");
  }));
  CHECK(file.interpolation() == "bicubic");
  CHECK(file.path() == folder / "w.h5");
  CHECK(file.arch() == "resnet50");
  CHECK(file.num_classes() == 3);
  CHECK(file.input_size() == 64);
  CHECK(file.mean() == std::array<float, 3>{0.5f, 0.25f, 0.125f});
  CHECK(file.stddev() == std::array<float, 3>{1, 2, 4});
  CHECK(file.resize_size() == 73);  // 64 * 256 / 224
  CHECK(file.class_ids() == std::vector<std::string>{"n1", "n2", "n3"});
  CHECK(file.class_names()[2] == "Käfer");
  CHECK(file.attributes().get<int64_t>("growth", 32) == 12);
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.tensors()[1].shape == std::vector<int64_t>{3, 2});

  const auto tensors = file.read_all(kExpected);
  REQUIRE(tensors.size() == 2);
  CHECK(tensors.at("fc.weight").data == std::vector<float>{1, -2, 3, -4, 5, -6});
  CHECK(file.read("fc.bias", {3}).data == std::vector<float>{0.5f, 0, -0.5f});

  CHECK(file.has_images());
  CHECK(file.image_classes("train") == std::vector<std::string>{"n2"});
  const auto images = file.images("train", "n2");
  REQUIRE(images.size() == 2);
  CHECK(images[0].name == "a.png");
  CHECK(images[0].bytes.empty());
  CHECK(images[1].bytes == std::vector<uint8_t>{1, 2, 255});
  CHECK(file.images("val", "n3")[0].bytes == std::vector<uint8_t>{7});
  CHECK(file.images("val", "n2").empty());
  CHECK(file.images("test", "n2").empty());
}

TEST_CASE("defaults where optional parts are absent") {
  const Watch watch;
  const Folder folder;
  const WeightsFile file(make_file(folder / "w.h5", [](hid_t f) {
    for (const char* name : {"input_size", "mean", "std", "class_ids", "class_names"}) H5Adelete(f, name);
    H5Ldelete(f, "images", H5P_DEFAULT);
  }));
  CHECK(file.input_size() == 224);
  CHECK(file.resize_size() == 256);
  CHECK(file.interpolation() == "bilinear");
  CHECK(file.mean()[0] == 0.485f);
  CHECK(file.stddev()[2] == 0.225f);
  CHECK(file.class_ids().empty());
  CHECK_FALSE(file.has_images());
  CHECK(file.image_classes("train").empty());
  CHECK_FALSE(file.attributes().has("growth"));
}

TEST_CASE("half precision is read exactly") {
  const Watch watch;
  const Folder folder;
  const WeightsFile file(make_file(folder / "w.h5", [](hid_t f) {
    const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    // 1, -2, 65504, smallest normal, smallest subnormal, -largest subnormal
    const uint16_t bits[6] = {0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x83FF};
    H5Dclose(put_dataset(f, "weights/fc.weight", half, {3, 2}, bits));
    H5Tclose(half);
  }));
  CHECK(file.read("fc.weight", {3, 2}).data ==
        std::vector<float>{1, -2, 65504, 0x1p-14f, 0x1p-24f, -1023 * 0x1p-24f});
}

TEST_CASE("a recipe draws the peer's values") {
  const Watch watch;
  const Folder folder;
  const WeightsFile file(make_file(folder / "r.h5", [](hid_t f) { put_recipe(f, 20211011, kDrawnChecksum); }));
  const auto tensors = file.read_all(kRecipe);
  CHECK(tensors.at("layer.weight").data == kDrawn);
  CHECK(tensors.at("layer.weight").shape == std::vector<int64_t>{2, 2});
  CHECK(tensors.at("layer.bias").data == std::vector<float>{1, 2});
}

TEST_CASE("the golden files of the full networks: every drawn tensor has the peer's checksum") {
  const fs::path golden = fs::path(NAD_SOURCE_DIR) / "tests" / "golden";
  const std::map<std::string, size_t> counts = {
      {"vgg16", 32}, {"resnet50", 267}, {"densenet121", 606}, {"darts", 952}};
  const Watch watch;
  for (const auto& [arch, count] : counts) {
    const WeightsFile file((golden / (arch + ".h5")).string());
    CHECK(file.arch() == arch);
    CHECK(file.num_classes() == 1000);
    CHECK(file.read_all(file.tensors()).size() == count);  // throws where a checksum differs
  }
}

}  // namespace
