// The weights file loader says what is wrong with a file: one clear line for every kind of damage.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "tests/weights_file.h"

using namespace nad::test;
using nad::WeightsFile;

namespace {

// Each case changes the complete file; the message must hold all fragments.
struct BadCase {
  const char* what;
  Edit edit;
  std::vector<const char*> fragments;
};

const std::vector<BadCase> kBadCases = {
    {"no arch", [](hid_t f) { H5Adelete(f, "arch"); }, {"no attribute 'arch'"}},
    {"arch is a number", [](hid_t f) { put_int(f, "arch", 1); }, {"'arch'", "not a string"}},
    {"arch is empty", [](hid_t f) { put_string(f, "arch", ""); }, {"'arch' is empty"}},
    {"no class count", [](hid_t f) { H5Adelete(f, "num_classes"); }, {"no attribute 'num_classes'"}},
    {"class count is text", [](hid_t f) { put_string(f, "num_classes", "3"); }, {"'num_classes'", "single integer"}},
    {"class count is zero", [](hid_t f) { put_int(f, "num_classes", 0); }, {"'num_classes' is 0", "expected 1 to"}},
    {"input size is negative", [](hid_t f) { put_int(f, "input_size", -1); }, {"'input_size' is -1"}},
    {"input size is absurd", [](hid_t f) { put_int(f, "input_size", 1 << 20); }, {"'input_size' is 1048576"}},
    {"an image smaller than the input",
     [](hid_t f) { put_int(f, "resize_size", 63); },
     {"'resize_size' is 63, less"}},
    {"an unknown interpolation",
     [](hid_t f) { put_string(f, "interpolation", "lanczos"); },
     {"'interpolation' is 'lanczos'", "'bilinear' or 'bicubic'"}},
    {"a mean of two",
     [](hid_t f) {
       put_floats(f, "mean", {0, 0});
     },
     {"'mean' has 2 elements", "three"}},
    {"a mean in text", [](hid_t f) { put_string(f, "mean", "0.5"); }, {"'mean'", "three floats"}},
    {"std is zero",
     [](hid_t f) {
       put_floats(f, "std", {1, 0, 1});
     },
     {"'std'", "not above 0"}},
    {"std is NaN",
     [](hid_t f) {
       put_floats(f, "std", {1, NAN, 1});
     },
     {"'std' is not finite"}},
    {"newer format", [](hid_t f) { put_int(f, "format_version", 2); }, {"format version 2", "reads version 1"}},
    {"class ids of another count",
     [](hid_t f) {
       put_strings(f, "class_ids", {"n1", "n2"});
     },
     {"'class_ids' has 2 elements", "num_classes is 3"}},
    {"class names of another count",
     [](hid_t f) { put_strings(f, "class_names", {"a"}); },
     {"'class_names' has 1 elements", "num_classes is 3"}},
    {"a class id twice",
     [](hid_t f) {
       put_strings(f, "class_ids", {"n1", "n2", "n1"});
     },
     {"'n1' occurs twice"}},
    {"class ids are numbers",
     [](hid_t f) {
       put_floats(f, "class_ids", {1, 2, 3});
     },
     {"'class_ids'", "array of strings"}},
    {"an attribute of rank two",
     [](hid_t f) {
       const int64_t values[4] = {1, 2, 3, 4};
       put_attribute(f, "widths", H5T_NATIVE_INT64, {2, 2}, values);
     },
     {"'widths'", "one-dimensional"}},
    {"an attribute of unknown type",
     [](hid_t f) {
       const hid_t type = H5Tcreate(H5T_OPAQUE, 4);
       const int32_t value = 0;
       put_attribute(f, "growth", type, {}, &value);
       H5Tclose(type);
     },
     {"'growth'", "unknown type"}},
    {"no weights", [](hid_t f) { H5Ldelete(f, "weights", H5P_DEFAULT); }, {"no group /weights"}},
    {"weights are a dataset",
     [](hid_t f) {
       H5Ldelete(f, "weights", H5P_DEFAULT);
       put_values(f, "weights", {1}, {1});
     },
     {"no group /weights"}},
    {"a tensor is missing",
     [](hid_t f) { H5Ldelete(f, "weights/fc.bias", H5P_DEFAULT); },
     {"do not fit", "1 missing ('fc.bias')"}},
    {"a tensor too many",
     [](hid_t f) { put_values(f, "weights/fc.scale", {1}, {1}); },
     {"1 unexpected ('fc.scale')"}},
    {"six tensors too many",
     [](hid_t f) {
       for (const char* name : {"a", "b", "c", "d", "e", "f"})
         put_values(f, std::string("weights/") + name, {1}, {1});
     },
     {"6 unexpected ('a', 'b', 'c', 'd', ...)"}},
    {"a tensor transposed",
     [](hid_t f) {
       put_values(f, "weights/fc.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
     },
     {"1 of the wrong shape ('fc.weight' is [2, 3], expected [3, 2])"}},
    {"a tensor of absurd size",
     [](hid_t f) {
       H5Dclose(put_dataset(f, "weights/fc.bias", H5T_NATIVE_FLOAT, {hsize_t{1} << 31, hsize_t{1} << 29}, nullptr));
     },
     {"wrong shape", "expected [3]"}},
    {"float64",
     [](hid_t f) {
       const double values[3] = {1, 2, 3};
       H5Dclose(put_dataset(f, "weights/fc.bias", H5T_NATIVE_DOUBLE, {3}, values));
     },
     {"1 of the wrong dtype ('fc.bias' is float64)"}},
    {"bfloat16",
     [](hid_t f) {
       const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
       H5Tset_fields(type, 15, 7, 8, 0, 7);
       H5Tset_size(type, 2);
       H5Tset_ebias(type, 127);
       const uint16_t values[3] = {0, 0, 0};
       H5Dclose(put_dataset(f, "weights/fc.bias", type, {3}, values));
       H5Tclose(type);
     },
     {"wrong dtype", "'fc.bias' is a 16-bit float of another format"}},
    {"integers",
     [](hid_t f) {
       const int32_t values[3] = {1, 2, 3};
       H5Dclose(put_dataset(f, "weights/fc.bias", H5T_NATIVE_INT32, {3}, values));
     },
     {"'fc.bias' is int32"}},
    {"a group where a tensor belongs",
     [](hid_t f) {
       H5Ldelete(f, "weights/fc.bias", H5P_DEFAULT);
       put_group(f, "weights/fc.bias");
     },
     {"'fc.bias' is no dataset"}},
    {"a link to nowhere",
     [](hid_t f) {
       H5Ldelete(f, "weights/fc.bias", H5P_DEFAULT);
       H5Lcreate_soft("/nowhere", f, "weights/fc.bias", H5P_DEFAULT, H5P_DEFAULT);
     },
     {"'fc.bias' is no dataset"}},
    {"a NaN",
     [](hid_t f) {
       put_values(f, "weights/fc.bias", {3}, {1, NAN, 3});
     },
     {"values that are not finite ('fc.bias' 1 of 3 values)"}},
    {"infinities",
     [](hid_t f) {
       const float inf = std::numeric_limits<float>::infinity();
       put_values(f, "weights/fc.weight", {3, 2}, {inf, -inf, 0, 0, 0, 0});
     },
     {"not finite ('fc.weight' 2 of 6 values)"}},
    {"several things at once",
     [](hid_t f) {
       put_values(f, "weights/extra", {1}, {1});
       put_values(f, "weights/fc.bias", {4}, {1, 2, 3, 4});
       put_values(f, "weights/fc.weight", {3, 2}, {NAN, 0, 0, 0, 0, 0});
     },
     {"1 unexpected", "1 of the wrong shape", "1 with values that are not finite"}},
    {"a name with a line break", [](hid_t f) { put_values(f, "weights/a\nb", {1}, {1}); }, {"'a?b'"}},
    {"a packed image of floats",
     [](hid_t f) {
       put_values(f, "images/train/n2/x.jpg", {2}, {1, 2});
     },
     {"packed image 'train/n2/x.jpg'", "uint8"}},
};

TEST_CASE("every malformed file gives one clear line") {
  const Folder folder;
  for (const BadCase& bad : kBadCases) {
    CAPTURE(bad.what);
    const std::string path = make_file(folder / "bad.h5", bad.edit);
    const Watch watch;
    const std::string message = message_of(path);
    CAPTURE(message);
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.find("weights file '" + path + "'") == 0);
    for (const char* fragment : bad.fragments) {
      CAPTURE(fragment);
      CHECK(message.find(fragment) != std::string::npos);
    }
  }
}

TEST_CASE("paths that hold no HDF5 file") {
  const Folder folder;
  const Watch watch;
  const auto has = [](const std::string& message, const char* fragment) {
    CAPTURE(message);
    CAPTURE(fragment);
    CHECK(message.find(fragment) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  };
  has(message_of(folder / "absent.h5"), "does not exist");
  has(message_of(""), "does not exist");
  has(message_of(folder.path.string()), "is a directory");
  has(message_of("/dev/null"), "not a regular file");
  std::ofstream(folder / "empty.h5").close();
  has(message_of(folder / "empty.h5"), "is empty");
  std::ofstream(folder / "text.h5") << "PK\x03\x04 this is a checkpoint or a letter, but no HDF5";
  has(message_of(folder / "text.h5"), "is not an HDF5 file");
}

TEST_CASE("a file cut short at any place") {
  const Folder folder;
  const std::string whole = make_file(folder / "whole.h5"), cut = folder / "cut.h5";
  const auto size = fs::file_size(whole);
  const Watch watch;
  REQUIRE(message_of(whole) == "");
  for (int part = 1; part < 40; ++part) {
    fs::copy_file(whole, cut, fs::copy_options::overwrite_existing);
    fs::resize_file(cut, size * static_cast<uintmax_t>(part) / 40);
    const std::string message = message_of(cut);
    CAPTURE(part);
    CAPTURE(message);
    CHECK(message.find("is cut short or damaged") != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("a malformed recipe gives one clear line") {
  const std::vector<BadCase> cases = {
      {"another seed", [](hid_t f) { put_recipe(f, 1, kDrawnChecksum); }, {"wrong checksum ('layer.weight')"}},
      {"no seed", [](hid_t f) { H5Adelete_by_name(f, "weights", "seed", H5P_DEFAULT); }, {"attribute 'seed'"}},
      {"no shape",
       [](hid_t f) { H5Adelete_by_name(f, "weights/bound/layer.weight", "shape", H5P_DEFAULT); },
       {"recipe of tensor 'layer.weight'", "attribute 'shape'"}},
      {"bound is a list",
       [](hid_t f) {
         put_values(f, "weights/bound/layer.weight", {2}, {1, 2});
       },
       {"recipe of tensor 'layer.weight' is not one float32"}},
      {"bound is NaN",
       [](hid_t f) {
         const hid_t set = H5Dopen2(f, "weights/bound/layer.weight", H5P_DEFAULT);
         const float bound = NAN;
         H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &bound);
         H5Adelete(set, "checksum");
         H5Dclose(set);
       },
       {"not finite ('layer.weight' 4 of 4 values)"}},
      {"stored twice",
       [](hid_t f) { put_values(f, "weights/small/layer.weight", {1}, {1}); },
       {"'layer.weight' is stored twice"}},
  };
  const Folder folder;
  for (const BadCase& bad : cases) {
    CAPTURE(bad.what);
    const std::string path = make_file(folder / "bad.h5", [&](hid_t f) {
      put_recipe(f, 20211011, kDrawnChecksum);
      bad.edit(f);
    });
    const Watch watch;
    const std::string message = message_of(path, kRecipe);
    CAPTURE(message);
    for (const char* fragment : bad.fragments) CHECK(message.find(fragment) != std::string::npos);
  }
}

}  // namespace
