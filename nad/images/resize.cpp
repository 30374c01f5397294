#include "nad/images/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/error.h"
#include "kernels/cpu/isa.h"
#include "kernels/resize_filter.h"

namespace nad {
namespace {

constexpr int kPad = 16;  // vector loads and stores may run this far past a row

// No sum overflows: bilinear weights are >= 0 and sum to 2^22 within half a unit per tap, and kMaxImageSide taps keep the
// sum below 256 * 2^22; the negative ones of the cubic add up to less than a fifth of that.

// One row: dst pixel x from the count[x] pixels of src that begin at first[x].
using RowFilter = void (*)(const uint8_t* src, int width, int taps, const int* first, const int* count,
                           const int32_t* weights, uint8_t* dst);
// One output row of `stride` bytes from `count` rows.
using ColumnFilter = void (*)(const uint8_t* src, int64_t stride, int count, const int32_t* weight, uint8_t* dst);

void filter_row(const uint8_t* src, int width, int taps, const int* first, const int* count, const int32_t* weights,
                uint8_t* dst) {
  for (int x = 0; x < width; x++) {
    int32_t sum[3] = {kResizeHalf, kResizeHalf, kResizeHalf};
    const uint8_t* pixel = src + 3 * int64_t{first[x]};
    const int32_t* weight = weights + int64_t{x} * taps;
    for (int j = 0; j < count[x]; j++, pixel += 3) {
      for (int c = 0; c < 3; c++) sum[c] += pixel[c] * weight[j];
    }
    for (int c = 0; c < 3; c++) dst[3 * int64_t{x} + c] = static_cast<uint8_t>(resize_byte(sum[c]));
  }
}

void filter_column(const uint8_t* src, int64_t stride, int count, const int32_t* weight, uint8_t* dst) {
  for (int64_t i = 0; i < stride; i++) {
    int32_t sum = kResizeHalf;
    for (int j = 0; j < count; j++) sum += src[j * stride + i] * weight[j];
    dst[i] = static_cast<uint8_t>(resize_byte(sum));
  }
}

#if defined(__x86_64__)
// The same with AVX2. Pixels are handled as four bytes: the fourth is the next pixel's, which overwrites it.
__attribute__((target("avx2"))) void filter_row_avx2(const uint8_t* src, int width, int taps, const int* first,
                                                     const int* count, const int32_t* weights, uint8_t* dst) {
  for (int x = 0; x < width; x++) {
    __m128i sum = _mm_set1_epi32(kResizeHalf);
    const uint8_t* pixel = src + 3 * int64_t{first[x]};
    const int32_t* weight = weights + int64_t{x} * taps;
    for (int j = 0; j < count[x]; j++, pixel += 3) {
      const __m128i values = _mm_cvtepu8_epi32(_mm_loadu_si32(pixel));
      sum = _mm_add_epi32(sum, _mm_mullo_epi32(values, _mm_set1_epi32(weight[j])));
    }
    const __m128i words = _mm_packs_epi32(_mm_srai_epi32(sum, kResizeBits), sum);  // both clip
    _mm_storeu_si32(dst + 3 * int64_t{x}, _mm_packus_epi16(words, words));
  }
}

// 16 bytes at a time; the last block reads up to 15 bytes past the rows and writes only what belongs to its row.
__attribute__((target("avx2"))) void filter_column_avx2(const uint8_t* src, int64_t stride, int count,
                                                        const int32_t* weight, uint8_t* dst) {
  for (int64_t i = 0; i < stride; i += 16) {
    __m256i low = _mm256_set1_epi32(kResizeHalf), high = low;
    const uint8_t* row = src + i;
    for (int j = 0; j < count; j++, row += stride) {
      const __m256i w = _mm256_set1_epi32(weight[j]);
      low = _mm256_add_epi32(low, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_loadu_si64(row)), w));
      high = _mm256_add_epi32(high, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_loadu_si64(row + 8)), w));
    }
    const __m256i mixed =
        _mm256_packus_epi32(_mm256_srai_epi32(low, kResizeBits), _mm256_srai_epi32(high, kResizeBits));
    const __m256i words = _mm256_permute4x64_epi64(mixed, 0xD8);  // packing mixes the 128-bit halves
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (stride - i >= 16) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i), bytes);
    } else {
      uint8_t last[16];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(last), bytes);
      std::memcpy(dst + i, last, static_cast<size_t>(stride - i));
    }
  }
}

bool have_avx2() { return cpu::best_isa() >= cpu::Isa::avx2; }
RowFilter row_filter(bool simd) { return simd && have_avx2() ? filter_row_avx2 : filter_row; }
ColumnFilter column_filter(bool simd) { return simd && have_avx2() ? filter_column_avx2 : filter_column; }
#else
RowFilter row_filter(bool) { return filter_row; }
ColumnFilter column_filter(bool) { return filter_column; }
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

void Resizer::Axis::reserve(Interpolation kind, int in, int out) {
  const size_t outputs = static_cast<size_t>(out), most = static_cast<size_t>(resize_taps(kind, in, out));
  first.reserve(outputs);
  count.reserve(outputs);
  weights.reserve(outputs * most);
}

// For outputs [begin, begin + outputs) of an axis that goes from `in` to `out` pixels.
void Resizer::Axis::plan(Interpolation kind, int in, int out, int begin, int outputs) {
  taps = resize_taps(kind, in, out);
  first.resize(static_cast<size_t>(outputs));
  count.resize(static_cast<size_t>(outputs));
  weights.resize(static_cast<size_t>(outputs) * static_cast<size_t>(taps));
  for (int i = 0; i < outputs; i++) {
    int32_t* weight = weights.data() + int64_t{i} * taps;
    const ResizeSpan span = resize_filter(kind, in, out, begin + i, [&](int j, int32_t w) { weight[j] = w; });
    first[i] = span.first;
    count[i] = span.count;
  }
}

void Resizer::reserve(int width, int height, int out_width, int out_height) {
  columns_.reserve(interpolation_, width, out_width);
  rows_.reserve(interpolation_, height, out_height);
  between_.reserve(size_t{3} * static_cast<size_t>(out_width) * static_cast<size_t>(height) + kPad);
  last_row_.reserve(size_t{3} * static_cast<size_t>(width) + kPad);
}

void Resizer::resize(const Image& image, const Box& crop, int out_width, int out_height, const Box& window,
                     uint8_t* out) {
  check(image, crop, out_width, out_height, window);
  columns_.plan(interpolation_, crop.width, out_width, window.left, window.width);
  rows_.plan(interpolation_, crop.height, out_height, window.top, window.height);

  // The vertical pass needs rows [top, bottom) of the crop only.
  const int top = rows_.first.front(), bottom = rows_.first.back() + rows_.count.back();
  const int64_t stride = int64_t{3} * window.width, image_stride = int64_t{3} * image.width;
  between_.resize(static_cast<size_t>(stride * (bottom - top) + kPad));
  const RowFilter filter_one_row = row_filter(simd_);
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

  const ColumnFilter filter_one_column = column_filter(simd_);
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
