#include "weights/tensor_index.h"

#include <bit>
#include <cmath>

#include "weights/recipe.h"

namespace nad {
namespace {

using hdf5::Handle;
using hdf5::quoted;

// IEEE binary16, which HDF5 1.10 has no predefined type for (h5py writes numpy's float16 so).
Handle half_type() {
  Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);  // sign, exponent at, exponent bits, mantissa at, mantissa bits
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

std::string type_name(hid_t type) {
  const std::string bits = std::to_string(8 * H5Tget_size(type));
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return "float32";
      if (H5Tequal(type, half_type().get()) > 0) return "float16";
      return bits == "64" ? "float64" : "a " + bits + "-bit float of another format";
    case H5T_INTEGER:
      return (H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int") + bits;
    case H5T_STRING:
      return "string";
    default:
      return "not a number";
  }
}

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31u, mantissa = half & 1023u;
  if (exponent == 0) {  // zero and subnormal numbers: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t biased = exponent == 31 ? 255 : exponent + 112;  // 127 - 15
  return std::bit_cast<float>(sign | biased << 23 | mantissa << 13);
}

bool read_halves(hid_t dataset, HostTensor* out) {
  std::vector<uint16_t> halves(out->data.size());
  if (H5Dread(dataset, half_type().get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, halves.data()) < 0) return false;
  for (size_t i = 0; i < halves.size(); ++i) out->data[i] = half_to_float(halves[i]);
  return true;
}

int64_t count_not_finite(const std::vector<float>& values) {
  int64_t count = 0;
  for (const float value : values) count += std::isfinite(value) ? 0 : 1;
  return count;
}

}  // namespace

std::string to_string(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

TensorIndex::TensorIndex(hid_t file, const std::string& where) {
  const Handle weights = hdf5::open_group(file, "weights");
  if (!weights) throw Error(ErrorKind::data, where + " has no group /weights", "weights/convert.py writes one");
  const Handle bound = hdf5::open_group(weights.get(), "bound");
  const Handle small = hdf5::open_group(weights.get(), "small");
  if (!bound && !small) {
    add_values(weights.get(), "weights", where);
    return;
  }
  if (bound) {
    if (!hdf5::read_uint64(weights.get(), "seed", &seed_))
      throw Error(ErrorKind::data, where + ": the recipe in /weights has no integer attribute 'seed'",
                  "see weights/FORMAT.md");
    add_recipes(bound.get(), "weights/bound", where);
  }
  if (small) add_values(small.get(), "weights/small", where);
}

void TensorIndex::add_values(hid_t group, const std::string& location, const std::string& where) {
  for (const std::string& name : hdf5::children(group, where)) {
    StoredTensor stored;
    stored.location = location + "/" + name;
    const Handle dataset = hdf5::open_dataset(group, name);
    const Handle type(dataset ? H5Dget_type(dataset.get()) : -1, H5Tclose);
    if (!type)
      stored.dtype = "no dataset";
    else if (!hdf5::dimensions(dataset.get(), &stored.shape))
      stored.dtype = "an empty dataset";
    else
      stored.dtype = type_name(type.get());
    if (!tensors_.emplace(name, stored).second)
      throw Error(ErrorKind::data,
                  where + ": tensor " + quoted(name) + " is stored twice, in 'bound' and in 'small'");
  }
}

void TensorIndex::add_recipes(hid_t group, const std::string& location, const std::string& where) {
  for (const std::string& name : hdf5::children(group, where)) {
    StoredTensor stored;
    stored.dtype = "recipe";
    stored.location = location + "/" + name;
    const Handle dataset = hdf5::open_dataset(group, name);
    const Handle type(dataset ? H5Dget_type(dataset.get()) : -1, H5Tclose);
    std::vector<int64_t> dims;
    const bool scalar = type && type_name(type.get()) == "float32" && hdf5::dimensions(dataset.get(), &dims) &&
                        dims.empty() &&
                        H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, &stored.bound) >= 0;
    if (scalar) {
      const Attributes attributes = hdf5::read_attributes(dataset.get(), where);
      const auto shape = attributes.values().find("shape");
      if (shape != attributes.values().end())
        if (const auto* sizes = std::get_if<std::vector<int64_t>>(&shape->second)) stored.shape = *sizes;
    }
    bool ok = scalar && !stored.shape.empty();
    for (const int64_t size : stored.shape) ok = ok && size > 0;
    if (!ok)
      throw Error(ErrorKind::data,
                  where + ": the recipe of tensor " + quoted(name) + " is not one float32 with an attribute 'shape'",
                  "see weights/FORMAT.md");
    uint64_t checksum = 0;
    if (hdf5::read_uint64(dataset.get(), "checksum", &checksum)) stored.checksum = checksum;
    tensors_.emplace(name, stored);
  }
}

ReadResult TensorIndex::read(hid_t file, const std::string& name, const StoredTensor& stored, HostTensor* out) const {
  out->shape = stored.shape;
  if (stored.dtype == "recipe") {
    out->data = recipe_values(name, seed_, stored.bound, out->count());
    if (stored.checksum && *stored.checksum != recipe_checksum(out->data)) return {ReadProblem::wrong_checksum, ""};
  } else {
    out->data.resize(static_cast<size_t>(out->count()));
    const Handle dataset(H5Dopen2(file, stored.location.c_str(), H5P_DEFAULT), H5Dclose);
    const bool ok = dataset && (out->data.empty() ||
                                (stored.dtype == "float16" ? read_halves(dataset.get(), out)
                                                           : H5Dread(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL,
                                                                     H5S_ALL, H5P_DEFAULT, out->data.data()) >= 0));
    if (!ok) return {ReadProblem::unreadable, ""};
  }
  if (const int64_t bad = count_not_finite(out->data))
    return {ReadProblem::not_finite, std::to_string(bad) + " of " + std::to_string(out->count()) + " values"};
  return {};
}

}  // namespace nad
