#include "weights/hdf5_reader.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace nad::hdf5 {
namespace {

// More elements than any attribute of a weights file has; a damaged size must not become an allocation.
constexpr int64_t kMaxAttributeElements = int64_t{1} << 22;

herr_t add_link(hid_t, const char* name, const H5L_info_t*, void* list) {
  try {
    static_cast<std::vector<std::string>*>(list)->emplace_back(name);
  } catch (...) {
    return -1;  // no exception may pass through the C library
  }
  return 0;
}

herr_t add_attribute(hid_t, const char* name, const H5A_info_t*, void* list) {
  return add_link(0, name, nullptr, list);
}

// read(type in memory, where to): the values of an attribute or a dataset.
template <class Read>
std::vector<std::string> read_strings(Read&& read, hid_t type, hid_t space, size_t count, bool* ok) {
  std::vector<std::string> values(count);
  if (count == 0) return values;
  if (H5Tis_variable_str(type) > 0) {
    Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory.get(), H5T_VARIABLE);
    H5Tset_cset(memory.get(), H5Tget_cset(type));
    std::vector<char*> pointers(count, nullptr);
    *ok = read(memory.get(), pointers.data()) >= 0;
    for (size_t i = 0; *ok && i < count; ++i) values[i] = pointers[i] ? pointers[i] : "";
    if (*ok) H5Dvlen_reclaim(memory.get(), space, H5P_DEFAULT, pointers.data());
  } else {
    const size_t size = H5Tget_size(type);
    std::vector<char> bytes(count * size);
    *ok = read(type, bytes.data()) >= 0;
    for (size_t i = 0; *ok && i < count; ++i)
      values[i] = std::string(&bytes[i * size], strnlen(&bytes[i * size], size));
  }
  return values;
}

// A value of a type T or a vector of it, as the dataspace says.
template <class T>
Attribute single_or_list(std::vector<T> values, bool single) {
  if (single) return values[0];
  return values;
}

Attribute read_attribute(hid_t object, const std::string& name, const std::string& where) {
  const auto failure = [&](const std::string& what) {
    return Error(ErrorKind::data, where + ": attribute " + quoted(name) + " " + what, "see weights/FORMAT.md");
  };
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle type(attribute ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  const Handle space(attribute ? H5Aget_space(attribute.get()) : -1, H5Sclose);
  if (!type || !space) throw failure("cannot be read (damaged file?)");
  const int rank = H5Sget_simple_extent_ndims(space.get());
  const int64_t count = H5Sget_simple_extent_npoints(space.get());
  const bool null = H5Sget_simple_extent_type(space.get()) == H5S_NULL;
  if (null || rank > 1 || count < 0) throw failure("is neither a single value nor a one-dimensional array");
  if (count > kMaxAttributeElements) throw failure("has " + std::to_string(count) + " elements, which is too many");

  bool ok = true;
  Attribute value;
  const H5T_class_t kind = H5Tget_class(type.get());
  const auto n = static_cast<size_t>(count);
  if (kind == H5T_INTEGER) {
    std::vector<int64_t> values(n);
    ok = n == 0 || H5Aread(attribute.get(), H5T_NATIVE_INT64, values.data()) >= 0;
    value = single_or_list(std::move(values), rank == 0);
  } else if (kind == H5T_FLOAT) {
    std::vector<double> values(n);
    ok = n == 0 || H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, values.data()) >= 0;
    value = single_or_list(std::move(values), rank == 0);
  } else if (kind == H5T_STRING) {
    const auto read = [&](hid_t memory, void* to) { return H5Aread(attribute.get(), memory, to); };
    value = single_or_list(read_strings(read, type.get(), space.get(), n, &ok), rank == 0);
  } else {
    throw failure("has an unknown type: integers, floats and strings are read");
  }
  if (!ok) throw failure("cannot be read (damaged file?)");
  return value;
}

}  // namespace

std::string quoted(const std::string& name) {
  std::string text = "'";
  for (const char c : name) text += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return text + "'";
}

Handle open_file(const std::string& path, const std::string& what) {
  const auto failure = [&](const std::string& text, const std::string& hint) {
    return Error(ErrorKind::data, what + " " + quoted(path) + " " + text, hint);
  };
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status)) throw failure("does not exist", "check the path");
  if (std::filesystem::is_directory(status)) throw failure("is a directory", "an HDF5 file is expected");
  if (!std::filesystem::is_regular_file(status)) throw failure("is not a regular file", "an HDF5 file is expected");
  errno = 0;
  std::ifstream probe(path, std::ios::binary);
  if (!probe) throw failure(std::string("cannot be read: ") + std::strerror(errno), "check its permissions");
  if (std::filesystem::file_size(path, code) == 0) throw failure("is empty", "make or copy it again");
  if (H5Fis_hdf5(path.c_str()) <= 0)
    throw failure("is not an HDF5 file", "a PyTorch checkpoint is converted with weights/convert.py");
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file) throw failure("is cut short or damaged, HDF5 cannot open it", "make or copy it again");
  return file;
}

Handle open_group(hid_t parent, const std::string& name) {
  if (H5Lexists(parent, name.c_str(), H5P_DEFAULT) <= 0) return {};
  return {H5Gopen2(parent, name.c_str(), H5P_DEFAULT), H5Gclose};
}

Handle open_dataset(hid_t parent, const std::string& name) {
  if (H5Lexists(parent, name.c_str(), H5P_DEFAULT) <= 0) return {};
  return {H5Dopen2(parent, name.c_str(), H5P_DEFAULT), H5Dclose};
}

std::vector<std::string> children(hid_t group, const std::string& where) {
  std::vector<std::string> names;
  if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, add_link, &names) < 0)
    throw Error(ErrorKind::data, where + ": a group cannot be listed (damaged file?)", "make or copy it again");
  return names;
}

Attributes read_attributes(hid_t object, const std::string& where) {
  std::vector<std::string> names;
  if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, add_attribute, &names) < 0)
    throw Error(ErrorKind::data, where + ": the attributes cannot be listed (damaged file?)",
                "make or copy it again");
  Attributes attributes;
  for (const std::string& name : names) attributes.set(name, read_attribute(object, name, where));
  return attributes;
}

std::vector<std::string> read_texts(hid_t dataset, const std::string& where) {
  const Handle type(H5Dget_type(dataset), H5Tclose), space(H5Dget_space(dataset), H5Sclose);
  const int64_t count = space ? H5Sget_simple_extent_npoints(space.get()) : -1;
  bool ok = type && count >= 0 && count <= kMaxAttributeElements && H5Tget_class(type.get()) == H5T_STRING;
  std::vector<std::string> values;
  const auto read = [&](hid_t memory, void* to) {
    return H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, to);
  };
  if (ok) values = read_strings(read, type.get(), space.get(), static_cast<size_t>(count), &ok);
  if (!ok) throw Error(ErrorKind::data, where + " has a dataset of texts that cannot be read (damaged file?)");
  return values;
}

bool read_uint64(hid_t object, const char* name, uint64_t* value) {
  if (H5Aexists(object, name) <= 0) return false;
  const Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  const Handle type(attribute ? H5Aget_type(attribute.get()) : -1, H5Tclose);
  const Handle space(attribute ? H5Aget_space(attribute.get()) : -1, H5Sclose);
  if (!type || !space || H5Tget_class(type.get()) != H5T_INTEGER) return false;
  if (H5Sget_simple_extent_npoints(space.get()) != 1) return false;
  return H5Aread(attribute.get(), H5T_NATIVE_UINT64, value) >= 0;
}

bool dimensions(hid_t dataset, std::vector<int64_t>* shape) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  if (!space || H5Sget_simple_extent_type(space.get()) == H5S_NULL) return false;
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) return false;
  std::vector<hsize_t> sizes(static_cast<size_t>(rank));
  if (rank > 0 && H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr) < 0) return false;
  shape->assign(sizes.begin(), sizes.end());
  return true;
}

}  // namespace nad::hdf5
