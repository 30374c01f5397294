// y[n] = byte_values of the crop, resized to S x S and mirrored: columns, then rows, 8 bits in between.
#include <vector>

#include "engine/parallel.h"
#include "kernels/learning_op_checks.h"
#include "kernels/reference/common.h"
#include "kernels/reference/ops.h"
#include "kernels/resize_filter.h"

namespace nad::reference {
namespace {

// in: `lines` lines, `line_stride` bytes apart, of `extent` pixels; the next pixel along the filtered axis lies
// `step` bytes further. out: [lines][size][3].
void filter_axis(Interpolation kind, const uint8_t* in, int64_t line_stride, int64_t step, int64_t lines, int extent,
                 int size, uint8_t* out) {
  std::vector<int32_t> weights(static_cast<size_t>(resize_taps(kind, extent, size)));
  for (int i = 0; i < size; ++i) {
    const ResizeSpan span =
        resize_filter(kind, extent, size, i, [&](int j, int32_t w) { weights[static_cast<size_t>(j)] = w; });
    for (int64_t line = 0; line < lines; ++line) {
      for (int c = 0; c < 3; ++c) {
        int32_t sum = kResizeHalf;
        for (int j = 0; j < span.count; ++j) {
          sum += in[line * line_stride + (span.first + j) * step + c] * weights[static_cast<size_t>(j)];
        }
        out[(line * size + i) * 3 + c] = static_cast<uint8_t>(resize_byte(sum));
      }
    }
  }
}

void augment_sample(const AugmentArgs& a, int64_t n) {
  const AugmentSample& s = a.samples[n];
  if (!s.image) return;
  const int size = static_cast<int>(a.y.shape.w);
  // between: [crop_height][S][3]; turned: [S columns][S rows][3]
  std::vector<uint8_t> between(static_cast<size_t>(s.crop_height) * static_cast<size_t>(size) * 3);
  std::vector<uint8_t> turned(static_cast<size_t>(size) * static_cast<size_t>(size) * 3);
  const uint8_t* corner = s.image + (int64_t{s.top} * s.width + s.left) * 3;
  filter_axis(a.interpolation, corner, int64_t{s.width} * 3, 3, s.crop_height, s.crop_width, size, between.data());
  filter_axis(a.interpolation, between.data(), 3, int64_t{size} * 3, size, s.crop_height, size, turned.data());
  float* y = a.y.data + n * size * size * 3;
  for (int64_t h = 0; h < size; ++h) {
    for (int64_t w = 0; w < size; ++w) {
      const int64_t column = s.flip ? size - 1 - w : w;
      for (int64_t c = 0; c < 3; ++c) {
        *y++ = a.byte_values[256 * c + turned[static_cast<size_t>((column * size + h) * 3 + c)]];
      }
    }
  }
}

}  // namespace

Kernel plan_augment(Planner&, const AugmentArgs& a) {
  check_args(a);
  return [a](Context&) {
    parallel_for(a.y.shape.n, [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; ++n) augment_sample(a, n);
    });
  };
}

}  // namespace nad::reference
