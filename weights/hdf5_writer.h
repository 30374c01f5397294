// Writing HDF5: a file is composed in memory, so that the disk sees one plain write (weights/durable_file.h) and HDF5
// never has to close a file for which the disk has no room. Equal contents are equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "weights/hdf5_reader.h"

namespace nad::hdf5 {

// The type that a dataset or attribute of T's is stored as: little-endian, of T's width.
template <class T>
hid_t stored_type();
template <>
hid_t stored_type<float>();
template <>
hid_t stored_type<double>();
template <>
hid_t stored_type<int32_t>();
template <>
hid_t stored_type<int64_t>();
template <>
hid_t stored_type<uint64_t>();
template <>
hid_t stored_type<uint8_t>();

// 00, 01, ..., 99, 100, ...: a gate's place in a group of one dataset per gate.
std::string place_name(size_t i);

// All throw Error(memory) where HDF5 refuses; `what` begins the message, as in "results file".
class Writer {
 public:
  explicit Writer(const std::string& what);
  hid_t root() const { return file_.get(); }

  Handle group(hid_t parent, const std::string& name) const;

  template <class T>
  void dataset(hid_t parent, const std::string& name, const std::vector<T>& values,
               const std::vector<hsize_t>& shape) const {
    dataset(parent, name, stored_type<T>(), values.data(), shape);
  }
  template <class T>  // [values.size()]
  void dataset(hid_t parent, const std::string& name, const std::vector<T>& values) const {
    dataset(parent, name, values, {values.size()});
  }
  void dataset(hid_t parent, const std::string& name, const std::vector<std::string>& values) const;
  template <class T>  // a group of one dataset per gate
  void per_gate(hid_t parent, const std::string& name, const std::vector<std::vector<T>>& gates) const {
    const Handle of_gates = group(parent, name);
    for (size_t i = 0; i < gates.size(); i++) dataset(of_gates.get(), place_name(i), gates[i]);
  }

  template <class T>
  void attribute(hid_t object, const char* name, T value) const {
    attribute(object, name, stored_type<T>(), nullptr, &value);
  }
  void attribute(hid_t object, const char* name, bool value) const { attribute(object, name, uint8_t{value}); }
  void attribute(hid_t object, const char* name, const std::string& value) const;
  void attribute(hid_t object, const char* name, const std::vector<std::string>& values) const;
  void attribute(hid_t object, const char* name, const std::vector<int64_t>& values) const;
  void attribute(hid_t object, const char* name, const std::vector<double>& values) const;

  std::vector<std::byte> bytes() const;  // of the whole file

 private:
  void dataset(hid_t parent, const std::string& name, hid_t type, const void* data,
               const std::vector<hsize_t>& shape) const;
  void attribute(hid_t object, const char* name, hid_t type, const hsize_t* count, const void* data) const;
  Handle text() const;  // the type of strings
  template <class R>
  R check(R result) const;

  QuietErrors quiet_;
  std::string what_;
  Handle file_;
};

}  // namespace nad::hdf5
