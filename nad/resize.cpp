#include "nad/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/error.h"

namespace nad {
namespace {

constexpr int kWeightBits = 32 - 8 - 2;
constexpr int32_t kHalf = 1 << (kWeightBits - 1);
constexpr int kPad = 16;  // vector loads and stores may run this far past a row

// Small vectors of the compiler (GCC, Clang): portable, and one source for every instruction set.
typedef uint8_t Byte4 __attribute__((vector_size(4)));
typedef int32_t Int4 __attribute__((vector_size(16)));
typedef uint8_t Byte16 __attribute__((vector_size(16)));
typedef int32_t Int16 __attribute__((vector_size(64)));

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

int taps_for(int in, int out) { return static_cast<int>(std::ceil(std::max(1.0, double(in) / out))) * 2 + 1; }

// No clipping in either pass: weights are >= 0 and sum to 2^22 within half a unit per tap, and kMaxImageSide taps
// keep the sum below 256 * 2^22.

// One row: dst pixel x from src pixels first[x]... Pixels are handled as four bytes, the fourth is the next
// pixel's and is overwritten by it.
inline __attribute__((always_inline)) void filter_row(const uint8_t* src, int width, int taps, const int* first,
                                                      const int* count, const int32_t* weights, uint8_t* dst) {
  for (int x = 0; x < width; x++) {
    Int4 sum = {kHalf, kHalf, kHalf, kHalf};
    const uint8_t* pixel = src + 3 * int64_t{first[x]};
    const int32_t* weight = weights + int64_t{x} * taps;
    for (int j = 0; j < count[x]; j++, pixel += 3) {
      Byte4 bytes;
      std::memcpy(&bytes, pixel, sizeof bytes);
      sum += __builtin_convertvector(bytes, Int4) * weight[j];
    }
    const Byte4 result = __builtin_convertvector(sum >> kWeightBits, Byte4);
    std::memcpy(dst + 3 * int64_t{x}, &result, sizeof result);
  }
}

// One output row from `count` rows of `stride` bytes; both have kPad readable (writable) bytes behind them.
inline __attribute__((always_inline)) void filter_column(const uint8_t* src, int64_t stride, int count,
                                                         const int32_t* weight, uint8_t* dst) {
  for (int64_t i = 0; i < stride; i += 16) {
    Int16 sum = Int16{} + kHalf;
    const uint8_t* row = src + i;
    for (int j = 0; j < count; j++, row += stride) {
      Byte16 bytes;
      std::memcpy(&bytes, row, sizeof bytes);
      sum += __builtin_convertvector(bytes, Int16) * weight[j];
    }
    const Byte16 result = __builtin_convertvector(sum >> kWeightBits, Byte16);
    std::memcpy(dst + i, &result, static_cast<size_t>(std::min<int64_t>(16, stride - i)));
  }
}

using RowFilter = void (*)(const uint8_t*, int, int, const int*, const int*, const int32_t*, uint8_t*);
using ColumnFilter = void (*)(const uint8_t*, int64_t, int, const int32_t*, uint8_t*);

void filter_row_base(const uint8_t* src, int width, int taps, const int* first, const int* count,
                     const int32_t* weights, uint8_t* dst) {
  filter_row(src, width, taps, first, count, weights, dst);
}
void filter_column_base(const uint8_t* src, int64_t stride, int count, const int32_t* weight, uint8_t* dst) {
  filter_column(src, stride, count, weight, dst);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void filter_row_avx2(const uint8_t* src, int width, int taps, const int* first,
                                                     const int* count, const int32_t* weights, uint8_t* dst) {
  filter_row(src, width, taps, first, count, weights, dst);
}
__attribute__((target("avx2"))) void filter_column_avx2(const uint8_t* src, int64_t stride, int count,
                                                        const int32_t* weight, uint8_t* dst) {
  filter_column(src, stride, count, weight, dst);
}
bool have_avx2() { return __builtin_cpu_supports("avx2"); }
RowFilter row_filter() { return have_avx2() ? filter_row_avx2 : filter_row_base; }
ColumnFilter column_filter() { return have_avx2() ? filter_column_avx2 : filter_column_base; }
#else
RowFilter row_filter() { return filter_row_base; }
ColumnFilter column_filter() { return filter_column_base; }
#endif

bool inside(const Box& box, int width, int height) {
  return box.left >= 0 && box.top >= 0 && box.width > 0 && box.height > 0 && box.left <= width - box.width &&
         box.top <= height - box.height;
}

std::string to_string(const Box& b) {
  return std::to_string(b.width) + "x" + std::to_string(b.height) + " at (" + std::to_string(b.left) + ", " +
         std::to_string(b.top) + ")";
}

void check(const Image& image, const Box& crop, int out_width, int out_height, const Box& window) {
  const std::string dimensions = std::to_string(image.width) + "x" + std::to_string(image.height);
  if (image.width <= 0 || image.height <= 0 || image.width > kMaxImageSide || image.height > kMaxImageSide ||
      image.rgb.size() != size_t{3} * static_cast<size_t>(image.width) * static_cast<size_t>(image.height)) {
    throw Error(ErrorKind::data, "resize: an image of " + dimensions + " pixels has " +
                                     std::to_string(image.rgb.size()) + " bytes, expected 3 for each pixel");
  }
  if (!inside(crop, image.width, image.height)) {
    throw Error(ErrorKind::data, "resize: the crop " + to_string(crop) + " is not inside an image of " + dimensions);
  }
  if (!inside(window, out_width, out_height)) {
    throw Error(ErrorKind::data, "resize: the window " + to_string(window) + " is not inside the output of " +
                                     std::to_string(out_width) + "x" + std::to_string(out_height));
  }
}

}  // namespace

void Resizer::Axis::reserve(int in, int out) {
  const size_t outputs = static_cast<size_t>(out), most = static_cast<size_t>(taps_for(in, out));
  first.reserve(outputs);
  count.reserve(outputs);
  weights.reserve(outputs * most);
  exact.reserve(most);
}

// precompute_coeffs and normalize_coeffs_8bpc of Pillow, for outputs [begin, begin + outputs) of an axis that goes
// from `in` to `out` pixels. Every operation in Pillow's order, so that the rounded weights are equal.
void Resizer::Axis::plan(int in, int out, int begin, int outputs) {
  const double scale = double(in) / out, filter_scale = std::max(1.0, scale);
  const double support = filter_scale, inverse = 1.0 / filter_scale;
  taps = taps_for(in, out);
  first.resize(static_cast<size_t>(outputs));
  count.resize(static_cast<size_t>(outputs));
  weights.resize(static_cast<size_t>(outputs) * static_cast<size_t>(taps));
  exact.resize(static_cast<size_t>(taps));
  for (int i = 0; i < outputs; i++) {
    const double center = (begin + i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(center - support + 0.5));
    const int high = std::min(in, static_cast<int>(center + support + 0.5));
    double sum = 0;
    for (int j = 0; j < high - low; j++) sum += exact[j] = triangle((j + low - center + 0.5) * inverse);
    int32_t* weight = weights.data() + int64_t{i} * taps;
    for (int j = 0; j < high - low; j++) {
      const double share = sum != 0 ? exact[j] / sum : exact[j];
      weight[j] = static_cast<int32_t>(0.5 + share * (1 << kWeightBits));
    }
    first[i] = low;
    count[i] = high - low;
  }
}

void Resizer::reserve(int width, int height, int out_width, int out_height) {
  columns_.reserve(width, out_width);
  rows_.reserve(height, out_height);
  between_.reserve(size_t{3} * static_cast<size_t>(out_width) * static_cast<size_t>(height) + kPad);
  last_row_.reserve(size_t{3} * static_cast<size_t>(width) + kPad);
}

void Resizer::resize(const Image& image, const Box& crop, int out_width, int out_height, const Box& window,
                     uint8_t* out) {
  check(image, crop, out_width, out_height, window);
  columns_.plan(crop.width, out_width, window.left, window.width);
  rows_.plan(crop.height, out_height, window.top, window.height);

  // The vertical pass needs rows [top, bottom) of the crop only.
  const int top = rows_.first.front(), bottom = rows_.first.back() + rows_.count.back();
  const int64_t stride = int64_t{3} * window.width, image_stride = int64_t{3} * image.width;
  between_.resize(static_cast<size_t>(stride * (bottom - top) + kPad));
  const RowFilter filter_one_row = row_filter();
  for (int y = top; y < bottom; y++) {
    const uint8_t* row = image.rgb.data() + (crop.top + y) * image_stride;
    if (crop.top + y == image.height - 1) {
      last_row_.resize(static_cast<size_t>(image_stride + kPad));
      std::memcpy(last_row_.data(), row, static_cast<size_t>(image_stride));
      row = last_row_.data();
    }
    filter_one_row(row + int64_t{3} * crop.left, window.width, columns_.taps, columns_.first.data(),
                   columns_.count.data(), columns_.weights.data(), between_.data() + (y - top) * stride);
  }

  const ColumnFilter filter_one_column = column_filter();
  for (int y = 0; y < window.height; y++) {
    filter_one_column(between_.data() + (rows_.first[y] - top) * stride, stride, rows_.count[y],
                      rows_.weights.data() + int64_t{y} * rows_.taps, out + y * stride);
  }
}

Image resize(const Image& image, int width, int height) {
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide) {
    throw Error(ErrorKind::data, "resize: an output of " + std::to_string(width) + "x" + std::to_string(height) +
                                     " pixels, expected sides of 1 to " + std::to_string(kMaxImageSide));
  }
  Image result{width, height,
               std::vector<uint8_t>(size_t{3} * static_cast<size_t>(width) * static_cast<size_t>(height))};
  Resizer().resize(image, {0, 0, image.width, image.height}, width, height, {0, 0, width, height}, result.rgb.data());
  return result;
}

}  // namespace nad
