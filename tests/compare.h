// Running one op on one backend and comparing what it wrote.
//
// A Problem is an op with its arrays and parameters on the host. run() places them in a backend's memory, plans and
// calls the kernel, and fetches everything back. Before that every output is poisoned with NaN; the gaps of slabs and
// the memory before and behind every array hold the same pattern, which must survive. Comparisons accept diff <=
// tolerance, so that NaN fails.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/parallel.h"
#include "engine/rng.h"

namespace nad::test {

enum class Type : uint8_t { f32, f64, i32, u8, u64 };
inline size_t size_of(Type type) {
  constexpr size_t kSizes[] = {4, 8, 4, 1, 8};
  return kSizes[static_cast<int>(type)];
}
template <class T>
constexpr Type type_of() {
  if constexpr (std::is_same_v<T, float>) return Type::f32;
  if constexpr (std::is_same_v<T, double>) return Type::f64;
  if constexpr (std::is_same_v<T, int32_t>) return Type::i32;
  if constexpr (std::is_same_v<T, uint8_t>) return Type::u8;
  if constexpr (std::is_same_v<T, uint64_t>) return Type::u64;
}

inline constexpr int64_t kGuard = 64;        // elements before and behind an array: keeps 64-byte alignment
inline constexpr std::byte kSentinel{0xFF};  // NaN in every floating type

// Who gives an array its values: the host, or the device where the problem is placed (bench/device_inputs.h). The
// latter has no bytes here, since those of a benchmark would take the host minutes to draw and to send.
enum class Content : uint8_t { host, zeros, uniform, rectified, positions };

// Values of shape [N, H, W, C] with a pixel stride; a flat array
// of n values is [1, 1, 1, n] or, per sample, [n, 1, 1, 1].
struct Array {
  std::string name;
  Type type = Type::f32;
  bool output = false;
  bool negative = false;    // in a run on absolute values: minus the absolute value
  bool per_sample = false;  // the first extent counts samples
  Shape shape;
  int64_t stride = 0, first = 0;  // elements per pixel of the slab, first channel of the slice
  Content content = Content::host;
  uint64_t key = 0;  // of the numbers that a device draws
  int choices = 1;   // positions: how many there are
  std::vector<std::byte> bytes;

  int64_t count() const { return shape.count(); }
  int64_t elements() const { return shape.pixels() * stride + 2 * kGuard; }
  int64_t offset(int64_t i) const { return kGuard + i / shape.c * stride + first + i % shape.c; }
  template <class T>
  T get(int64_t i) const {
    T value;
    std::memcpy(&value, bytes.data() + static_cast<size_t>(offset(i)) * sizeof(T), sizeof(T));
    return value;
  }
  template <class T>
  void set(int64_t i, T value) {
    std::memcpy(bytes.data() + static_cast<size_t>(offset(i)) * sizeof(T), &value, sizeof(T));
  }
  double number(int64_t i) const {
    switch (type) {
      case Type::f32:
        return static_cast<double>(get<float>(i));
      case Type::f64:
        return get<double>(i);
      case Type::i32:
        return get<int32_t>(i);
      case Type::u8:
        return get<uint8_t>(i);
      case Type::u64:
        return static_cast<double>(get<uint64_t>(i));
    }
    return 0;
  }
};

// An array that a device fills; slack: channels of the slab before and behind the slice.
inline Array make_device_array(std::string name, Type type, Shape shape, bool output, int64_t before = 0,
                               int64_t behind = 0) {
  Array a;
  a.name = std::move(name);
  a.type = type;
  a.output = output;
  a.per_sample = true;
  a.shape = shape;
  a.stride = before + shape.c + behind;
  a.first = before;
  a.content = Content::zeros;
  return a;
}

// An array full of sentinels.
inline Array make_array(std::string name, Type type, Shape shape, bool output, int64_t before = 0,
                        int64_t behind = 0) {
  Array a = make_device_array(std::move(name), type, shape, output, before, behind);
  a.content = Content::host;
  a.bytes.assign(static_cast<size_t>(a.elements()) * size_of(type), kSentinel);
  return a;
}

// Gives an array without bytes its values, in the memory that it has got.
using FillArray = std::function<void(Backend&, const Array&, std::byte* to)>;

// The arrays of a problem in a backend's memory. Borrows the problem's arrays and parameters.
class Placed {
 public:
  Placed(Context& context, const std::vector<Array>& arrays, const std::vector<Param>& params, bool absolute,
         const FillArray& fill = {})
      : context_(context), arrays_(arrays), params_(params), absolute_(absolute) {
    for (const Array& a : arrays) {
      buffers_.push_back(context.backend().allocate(static_cast<size_t>(a.elements()) * size_of(a.type)));
      std::byte* to = buffers_.back().get();
      if (a.content == Content::host) {
        context.backend().upload(to, a.bytes.data(), a.bytes.size());
      } else {
        fill(context.backend(), a, to);
      }
    }
  }
  // Empty views and null pointers for index -1: an argument that the case leaves out.
  Tensor tensor(int index) const {
    if (index < 0) return {};
    const Array& a = arrays_[static_cast<size_t>(index)];
    return {pointer<float>(index), a.shape, a.stride};
  }
  template <class T>
  T* pointer(int index) const {
    if (index < 0) return nullptr;
    const Array& a = arrays_[static_cast<size_t>(index)];
    return reinterpret_cast<T*>(buffers_[static_cast<size_t>(index)].get()) + kGuard + a.first;
  }
  Param param(int index) const { return index < 0 ? nullptr : params_[static_cast<size_t>(index)]; }
  bool absolute() const { return absolute_; }  // then a ReLU is left out
  std::vector<Array> fetch() const {
    std::vector<Array> result = arrays_;
    for (size_t i = 0; i < result.size(); ++i) {
      context_.backend().download(result[i].bytes.data(), buffers_[i].get(), result[i].bytes.size());
    }
    return result;
  }

 private:
  Context& context_;
  const std::vector<Array>& arrays_;
  const std::vector<Param>& params_;
  bool absolute_;
  std::vector<Buffer> buffers_;
};

struct Problem {
  std::string name;
  uint64_t seed = 0;
  std::vector<Array> arrays;
  std::vector<Param> params;
  std::function<Kernel(Planner&, const OpTable&, const Placed&)> plan;
  // How exact an output must be: relative to the same op on absolute values (a sum of `terms` products), or, where
  // `relative` > 0, to the largest value of the array.
  int64_t terms = 1;
  double relative = 0;
  bool transformable = false;     // a convolution that Winograd's algorithm covers
  bool products = false;          // convolution or linear: --precision changes their products
  bool separable = true;          // a sample's outputs depend on that sample alone
  double flops = 0, traffic = 0;  // of one call, for the benchmark

  std::string text() const { return name + " (seed " + std::to_string(seed) + ")"; }
};

// Values of a case's arrays: small integers and powers of two make sums exact in any order. device: random, and those
// of tensors are left to the device.
enum class Data : uint8_t { random, exact, device };

inline double draw(Data data, uint64_t key, int64_t i) {
  if (data == Data::exact) return static_cast<double>(random_bits(key, static_cast<uint64_t>(i)) % 7) - 3;
  return 2.0 * static_cast<double>(random_uniform(key, static_cast<uint64_t>(i))) - 1;
}

inline Param make_param(Data data, uint64_t key, std::vector<int64_t> shape) {
  auto tensor = std::make_shared<HostTensor>();
  tensor->shape = std::move(shape);
  tensor->data.resize(static_cast<size_t>(tensor->count()));
  parallel_for(tensor->count(), [&](int64_t begin, int64_t end, int) {  // VGG16's classifier has 10^8
    for (int64_t i = begin; i < end; ++i)
      tensor->data[static_cast<size_t>(i)] = static_cast<float>(draw(data, key, i));
  });
  return tensor;
}

// The problem with absolute values everywhere: what it computes is sum |a||b|, the scale of the rounding error.
inline Problem absolute(Problem p) {
  for (Array& a : p.arrays) {
    if (a.type != Type::f32) continue;
    for (int64_t i = 0; i < a.count(); ++i) {
      const float value = std::fabs(a.get<float>(i));
      a.set(i, a.negative ? -value : value);
    }
  }
  for (Param& param : p.params) {
    auto copy = std::make_shared<HostTensor>(*param);
    for (float& value : copy->data) value = std::fabs(value);
    param = copy;
  }
  return p;
}

// Sample n of the problem alone.
inline Problem sample(Problem p, int64_t n) {
  for (Array& a : p.arrays) {
    if (!a.per_sample) continue;
    Array one = make_array(a.name, a.type, {1, a.shape.h, a.shape.w, a.shape.c}, a.output, a.first,
                           a.stride - a.first - a.shape.c);
    const size_t bytes = static_cast<size_t>(one.shape.pixels() * a.stride) * size_of(a.type);
    const size_t guard = static_cast<size_t>(kGuard) * size_of(a.type);
    std::memcpy(one.bytes.data() + guard, a.bytes.data() + guard + static_cast<size_t>(n) * bytes, bytes);
    a = one;
  }
  return p;
}

// All arrays after one call, or nothing where the backend leaves the case to another algorithm.
inline std::vector<Array> run(const Problem& p, Context& context, const OpTable& table, bool is_absolute = false) {
  Planner planner(context);
  const Placed placed(context, p.arrays, p.params, is_absolute);
  const Kernel kernel = p.plan(planner, table, placed);
  if (!kernel) return {};
  kernel(context);
  context.backend().synchronize();
  return placed.fetch();
}

// ---- checks: each returns the first fault in words, or an empty string --------------------------------------------

// Everything outside the outputs' elements is as it was.
inline std::string check_untouched(const Problem& p, const std::vector<Array>& after) {
  for (size_t k = 0; k < after.size(); ++k) {
    const Array &before = p.arrays[k], &now = after[k];
    std::vector<std::byte> expected = before.bytes;
    const size_t size = size_of(now.type);
    for (int64_t i = 0; now.output && i < now.count(); ++i) {
      const size_t at = static_cast<size_t>(now.offset(i)) * size;
      std::memcpy(expected.data() + at, now.bytes.data() + at, size);
    }
    if (std::memcmp(expected.data(), now.bytes.data(), expected.size()) == 0) continue;
    size_t byte = 0;
    while (expected[byte] == now.bytes[byte]) ++byte;
    return now.name + (now.output ? ": wrote outside of the tensor" : ": an input was changed") + ", element " +
           std::to_string(static_cast<int64_t>(byte / size) - kGuard) + " of the buffer";
  }
  return "";
}

inline std::string check_same_bytes(const std::vector<Array>& a, const std::vector<Array>& b) {
  for (size_t k = 0; k < a.size(); ++k) {
    if (!a[k].output || a[k].bytes == b[k].bytes) continue;
    for (int64_t i = 0; i < a[k].count(); ++i) {
      if (std::memcmp(a[k].bytes.data() + static_cast<size_t>(a[k].offset(i)) * size_of(a[k].type),
                      b[k].bytes.data() + static_cast<size_t>(b[k].offset(i)) * size_of(b[k].type),
                      size_of(a[k].type)) != 0) {
        std::ostringstream text;
        text.precision(9);
        text << a[k].name << "[" << i << "]: " << a[k].number(i) << " and " << b[k].number(i);
        return text.str();
      }
    }
  }
  return "";
}

// Tolerances for a comparison with the reference.
struct Tolerance {
  double bound = 0;         // times the result on absolute values
  bool neighbours = false;  // the bound of an element is the largest of its tensor (transforms mix pixels)
  bool exact = false;
};

inline double largest(const Array& a) {
  double value = 0;
  for (int64_t i = 0; i < a.count(); ++i) value = std::max(value, std::fabs(a.number(i)));
  return value;
}

// `bounds` are the arrays of the run on absolute values; `worst` is raised to the largest error over its tolerance.
inline std::string check_close(const Problem& p, const std::vector<Array>& expected, const std::vector<Array>& bounds,
                               const std::vector<Array>& actual, const Tolerance& tolerance, double& worst) {
  for (size_t k = 0; k < actual.size(); ++k) {
    const Array &want = expected[k], &got = actual[k];
    if (!got.output) continue;
    const bool integer = got.type != Type::f32 && got.type != Type::f64;
    const bool whole = p.relative > 0 || tolerance.neighbours;
    const double scale = !whole ? 0 : p.relative > 0 ? largest(want) : largest(bounds[k]);
    for (int64_t i = 0; i < got.count(); ++i) {
      const double factor = p.relative > 0 ? p.relative : tolerance.bound;
      double allowed = factor * (whole ? scale : std::fabs(bounds[k].number(i))) + 1e-30;
      if (tolerance.exact || integer) allowed = 0;
      const double error = std::fabs(want.number(i) - got.number(i));
      if (allowed > 0) worst = std::max(worst, error / allowed);
      if (error <= allowed && std::isfinite(got.number(i))) continue;
      std::ostringstream text;
      text.precision(9);
      text << got.name << " " << to_string(got.shape) << " element " << i << ": " << got.number(i) << ", expected "
           << want.number(i) << " within " << allowed;
      return text.str();
    }
  }
  return "";
}

}  // namespace nad::test
