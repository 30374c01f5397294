// Shapes and views. Activations are NHWC float32; the only layout beside the dense one is a slice of the channels
// of a wider buffer (a slab), as dense concatenation needs it. A view borrows; buffers belong to a plan or a caller.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nad {

struct Shape {
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t pixels() const { return n * h * w; }  // rows of a [N*H*W, C] matrix
  int64_t count() const { return n * h * w * c; }
  bool operator==(const Shape&) const = default;
};

inline std::string to_string(const Shape& s) {
  return "[" + std::to_string(s.n) + ", " + std::to_string(s.h) + ", " + std::to_string(s.w) + ", " +
         std::to_string(s.c) + "]";
}

// Element (n, h, w, c) lives at data[((n*H + h)*W + w)*stride + c]; stride >= C is the width of the slab.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;
  int64_t stride = 0;  // elements from one pixel to the next

  View() = default;
  View(T* pointer, Shape s) : data(pointer), shape(s), stride(s.c) {}
  View(T* pointer, Shape s, int64_t pixel_stride) : data(pointer), shape(s), stride(pixel_stride) {}
  operator View<const T>() const { return {data, shape, stride}; }  // NOLINT: a view of const is a view

  explicit operator bool() const { return data != nullptr; }
  bool dense() const { return stride == shape.c; }
  T* pixel(int64_t index) const { return data + index * stride; }  // index = (n*H + h)*W + w
  T* at(int64_t n, int64_t h, int64_t w) const { return pixel((n * shape.h + h) * shape.w + w); }
  View channels(int64_t first, int64_t count) const {
    return {data + first, {shape.n, shape.h, shape.w, count}, stride};
  }
  View samples(int64_t first, int64_t count) const {
    return {data + first * shape.h * shape.w * stride, {count, shape.h, shape.w, shape.c}, stride};
  }
};

using Tensor = View<float>;
using CTensor = View<const float>;

// A parameter on the host, in the layout of the weights file (PyTorch's: convolution [O, I/groups, KH, KW],
// linear [O, I], vectors [C]).
struct HostTensor {
  std::vector<int64_t> shape;
  std::vector<float> data;
  int64_t count() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
};

// A tensor that a network needs, by its state_dict name.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

}  // namespace nad
