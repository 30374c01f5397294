// Makes small weights files, sound and broken, by HDF5's own
// functions: the tests of the loader must not share its code.
#pragma once

#include <doctest/doctest.h>
#include <hdf5.h>

#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "engine/error.h"
#include "weights/weights.h"

namespace nad::test {

namespace fs = std::filesystem;

// Files of one test run, removed at the end.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("nad_test_weights_" + std::to_string(std::random_device{}()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

inline hid_t string_type() {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

// A small writer: every function replaces what is there.
inline void put_attribute(hid_t object, const char* name, hid_t type, const std::vector<hsize_t>& dims,
                          const void* data) {
  if (H5Aexists(object, name) > 0) H5Adelete(object, name);
  const hid_t space = dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(dims.size()), dims.data(), nullptr);
  const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(H5Awrite(attribute, type, data) >= 0);
  H5Aclose(attribute);
  H5Sclose(space);
}
inline void put_int(hid_t object, const char* name, int64_t value) {
  put_attribute(object, name, H5T_NATIVE_INT64, {}, &value);
}
inline void put_floats(hid_t object, const char* name, const std::vector<float>& values) {
  put_attribute(object, name, H5T_NATIVE_FLOAT, {values.size()}, values.data());
}
inline void put_string(hid_t object, const char* name, const char* value) {
  const hid_t type = string_type();
  put_attribute(object, name, type, {}, &value);
  H5Tclose(type);
}
inline void put_strings(hid_t object, const char* name, const std::vector<const char*>& values) {
  const hid_t type = string_type();
  put_attribute(object, name, type, {values.size()}, values.data());
  H5Tclose(type);
}
inline hid_t put_dataset(hid_t file, const std::string& path, hid_t type, const std::vector<hsize_t>& dims,
                         const void* data) {
  if (H5Lexists(file, path.c_str(), H5P_DEFAULT) > 0) H5Ldelete(file, path.c_str(), H5P_DEFAULT);
  const hid_t space = dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(dims.size()), dims.data(), nullptr);
  const hid_t set = H5Dcreate2(file, path.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(set >= 0);
  if (data) REQUIRE(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  H5Sclose(space);
  return set;
}
inline void put_values(hid_t file, const std::string& path, const std::vector<hsize_t>& dims,
                       const std::vector<float>& data) {
  H5Dclose(put_dataset(file, path, H5T_NATIVE_FLOAT, dims, data.data()));
}
inline void put_bytes(hid_t file, const std::string& path, const std::vector<uint8_t>& data) {
  H5Dclose(put_dataset(file, path, H5T_NATIVE_UINT8, {data.size()}, data.data()));
}
inline void put_group(hid_t file, const char* path) {
  H5Gclose(H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

using Edit = std::function<void(hid_t)>;

// A complete file of the values form: two tensors, three classes, two packed images; then the edit.
inline std::string make_file(const std::string& path, const Edit& edit = nullptr) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put_string(file, "arch", "resnet50");
  put_int(file, "num_classes", 3);
  put_int(file, "input_size", 64);
  put_floats(file, "mean", {0.5f, 0.25f, 0.125f});
  put_floats(file, "std", {1.0f, 2.0f, 4.0f});
  put_strings(file, "class_ids", {"n1", "n2", "n3"});
  put_strings(file, "class_names", {"tench", "great white shark", "Käfer"});
  put_group(file, "weights");
  put_values(file, "weights/fc.weight", {3, 2}, {1, -2, 3, -4, 5, -6});
  put_values(file, "weights/fc.bias", {3}, {0.5f, 0, -0.5f});
  for (const char* name : {"images", "images/train", "images/val", "images/train/n2", "images/val/n3"})
    put_group(file, name);
  put_bytes(file, "images/train/n2/b.jpg", {1, 2, 255});
  put_bytes(file, "images/train/n2/a.png", {});
  put_bytes(file, "images/val/n3/c.bmp", {7});
  if (edit) edit(file);
  H5Fclose(file);
  return path;
}

inline const std::vector<TensorSpec> kExpected = {{"fc.weight", {3, 2}}, {"fc.bias", {3}}};

// The message of the Error that opening and reading gives; "" where there is none.
inline std::string message_of(const std::string& path, const std::vector<TensorSpec>& expected = kExpected) {
  try {
    const WeightsFile file(path);
    file.read_all(expected);
    for (const char* split : {"train", "val"})
      for (const std::string& id : file.image_classes(split)) file.images(split, id);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::data);
    return error.what();
  }
  return "";
}

// Nothing may stay open and the library may print nothing, whatever a test did to its files.
struct Watch {
  int printed = 0;
  Watch() {
    H5Eset_auto2(
        H5E_DEFAULT, [](hid_t, void* count) { return ++*static_cast<int*>(count), 0; }, &printed);
  }
  ~Watch() {
    CHECK(H5Fget_obj_count(static_cast<hid_t>(H5F_OBJ_ALL), H5F_OBJ_ALL) == 0);
    CHECK(printed == 0);
  }
};

// A recipe of one drawn tensor and one stored one.
inline void put_recipe(hid_t f, uint64_t seed, uint64_t checksum) {
  H5Ldelete(f, "weights", H5P_DEFAULT);
  for (const char* name : {"weights", "weights/bound", "weights/small"}) put_group(f, name);
  const hid_t group = H5Gopen2(f, "weights", H5P_DEFAULT);
  put_attribute(group, "seed", H5T_NATIVE_UINT64, {}, &seed);
  H5Gclose(group);
  const float bound = 0.25f;
  const hid_t set = put_dataset(f, "weights/bound/layer.weight", H5T_NATIVE_FLOAT, {}, &bound);
  const int64_t shape[2] = {2, 2};
  put_attribute(set, "shape", H5T_NATIVE_INT64, {2}, shape);
  put_attribute(set, "checksum", H5T_NATIVE_UINT64, {}, &checksum);
  H5Dclose(set);
  put_values(f, "weights/small/layer.bias", {2}, {1, 2});
}

// Values and checksum of the peer's hash_uniform("layer.weight", 20211011, 4, 0.25).
inline const std::vector<float> kDrawn = {0x1.1e3bp-6f, -0x1.b6676cp-3f, -0x1.c4537p-3f, -0x1.f3d12p-5f};
inline constexpr uint64_t kDrawnChecksum = 8461148221200287530ull;
inline const std::vector<TensorSpec> kRecipe = {{"layer.weight", {2, 2}}, {"layer.bias", {2}}};

}  // namespace nad::test
