#include "weights/hdf5_writer.h"

#include <cstdio>

namespace nad::hdf5 {

template <>
hid_t stored_type<float>() {
  return H5T_IEEE_F32LE;
}
template <>
hid_t stored_type<double>() {
  return H5T_IEEE_F64LE;
}
template <>
hid_t stored_type<int32_t>() {
  return H5T_STD_I32LE;
}
template <>
hid_t stored_type<int64_t>() {
  return H5T_STD_I64LE;
}
template <>
hid_t stored_type<uint64_t>() {
  return H5T_STD_U64LE;
}
template <>
hid_t stored_type<uint8_t>() {
  return H5T_STD_U8LE;
}

std::string place_name(size_t i) {
  char name[24];
  std::snprintf(name, sizeof name, "%02zu", i);
  return name;
}

template <class R>
R Writer::check(R result) const {
  if (result < 0) throw Error(ErrorKind::memory, "the " + what_ + " cannot be composed in memory: HDF5 refused");
  return result;
}

Writer::Writer(const std::string& what) : what_(what) {
  const Handle access(check(H5Pcreate(H5P_FILE_ACCESS)), H5Pclose);
  check(H5Pset_fapl_core(access.get(), size_t{1} << 20, false));
  // The oldest version of the format, HDF5's default: newer ones keep an open-for-writing flag under the checksum
  // of an image taken from memory.
  file_ = Handle(check(H5Fcreate("composed in memory", H5F_ACC_TRUNC, H5P_DEFAULT, access.get())), H5Fclose);
}

Handle Writer::group(hid_t parent, const std::string& name) const {
  return {check(H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)), H5Gclose};
}

void Writer::dataset(hid_t parent, const std::string& name, hid_t type, const void* data,
                     const std::vector<hsize_t>& shape) const {
  const Handle space(check(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr)), H5Sclose);
  const Handle creation(check(H5Pcreate(H5P_DATASET_CREATE)), H5Pclose);
  check(H5Pset_obj_track_times(creation.get(), false));  // a time would make equal contents differ
  const Handle set(
      check(H5Dcreate2(parent, name.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT)), H5Dclose);
  if (check(H5Sget_simple_extent_npoints(space.get())) == 0) return;
  check(H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
}

void Writer::dataset(hid_t parent, const std::string& name, const std::vector<std::string>& values) const {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  dataset(parent, name, text().get(), pointers.data(), {values.size()});
}

// count: of a list; null for a single value.
void Writer::attribute(hid_t object, const char* name, hid_t type, const hsize_t* count, const void* data) const {
  const Handle space(check(count ? H5Screate_simple(1, count, nullptr) : H5Screate(H5S_SCALAR)), H5Sclose);
  const Handle handle(check(H5Acreate2(object, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT)), H5Aclose);
  check(H5Awrite(handle.get(), type, data));
}

Handle Writer::text() const {
  Handle type(check(H5Tcopy(H5T_C_S1)), H5Tclose);
  check(H5Tset_size(type.get(), H5T_VARIABLE));
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8));
  return type;
}

void Writer::attribute(hid_t object, const char* name, const std::string& value) const {
  const char* pointer = value.c_str();
  attribute(object, name, text().get(), nullptr, &pointer);
}

void Writer::attribute(hid_t object, const char* name, const std::vector<std::string>& values) const {
  const hsize_t count = values.size();
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  attribute(object, name, text().get(), &count, pointers.data());
}

void Writer::attribute(hid_t object, const char* name, const std::vector<int64_t>& values) const {
  const hsize_t count = values.size();
  attribute(object, name, stored_type<int64_t>(), &count, values.data());
}

void Writer::attribute(hid_t object, const char* name, const std::vector<double>& values) const {
  const hsize_t count = values.size();
  attribute(object, name, stored_type<double>(), &count, values.data());
}

std::vector<std::byte> Writer::bytes() const {
  check(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL));
  const ssize_t size = check(H5Fget_file_image(file_.get(), nullptr, 0));
  std::vector<std::byte> image(static_cast<size_t>(size));
  check(H5Fget_file_image(file_.get(), image.data(), image.size()));
  return image;
}

}  // namespace nad::hdf5
