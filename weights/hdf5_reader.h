// Reading HDF5 with handles that close themselves and errors that are exceptions. Private to weights/.
// API: https://docs.hdfgroup.org/hdf5/v1_10/
#pragma once

#include <hdf5.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/attributes.h"

namespace nad::hdf5 {

// Owns an identifier of the library and the function that closes it.
class Handle {
 public:
  Handle() = default;
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    reset();
    id_ = std::exchange(other.id_, -1);
    close_ = other.close_;
    return *this;
  }
  explicit operator bool() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  void reset() {
    if (id_ >= 0) close_(id_);
    id_ = -1;
  }
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

// Keeps the library from printing its error stack while in scope; what went wrong is said in our own words.
class QuietErrors {
 public:
  QuietErrors() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// A name or path in quotes, with control characters replaced: a message stays one line whatever the file says.
std::string quoted(const std::string& name);

// Opens a file for reading. `what` begins the message, as in "weights file". Throws Error(data).
Handle open_file(const std::string& path, const std::string& what);

// The member of a group, or an empty handle where there is none of that kind.
Handle open_group(hid_t parent, const std::string& name);
Handle open_dataset(hid_t parent, const std::string& name);

// The names of the links in a group, sorted bytewise. Throws Error(data); `where` begins the message.
std::vector<std::string> children(hid_t group, const std::string& where);

// All attributes of an object: integers, floats and strings, single or in one-dimensional arrays.
// Throws Error(data) for any other type or rank.
Attributes read_attributes(hid_t object, const std::string& where);

// A one-dimensional dataset of strings. Throws Error(data); `where` begins the message.
std::vector<std::string> read_texts(hid_t dataset, const std::string& where);

// A single unsigned 64-bit attribute. False where it is absent or is not a single integer.
bool read_uint64(hid_t object, const char* name, uint64_t* value);

// Dimensions of a dataset or, for a null dataspace, nothing and false.
bool dimensions(hid_t dataset, std::vector<int64_t>* shape);

}  // namespace nad::hdf5
