// y[n] = byte_values of the crop, resized to S x S and mirrored (engine/ops.h), from decoded bytes on the device.
//
// The weights of a sample's 2 S outputs are computed once, by a thread each, into scratch (every output pixel by
// itself would take 2 * taps divisions in double); then a thread per output pixel sums its rows, each filtered along
// the columns and rounded to 8 bits. A row serves two rows of outputs, so columns are filtered twice: cheaper than
// writing and reading what lies in between, and no limit on an image's height. Reads the crop once from memory
// (neighbours share it in the caches), writes 12 bytes per pixel.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"
#include "kernels/resize_filter.h"

namespace nad::cuda {

namespace {

constexpr int threads = item_threads;

// Where the filter of output i of an axis (0: columns, 1: rows) of a sample lies: first, count, weights.
__host__ __device__ inline int64_t filter_at(int64_t sample, int axis, int64_t i, int size, int entry) {
  return ((sample * 2 + axis) * size + i) * entry;
}

// samples: [N]; filters: [N, 2, S, entry], entry = 2 + taps of the largest image. A thread per filter.
__global__ void __launch_bounds__(threads)
    augment_filters_kernel(int64_t count, int size, int entry, Interpolation kind,
                           Global<const AugmentSample> samples, Global<int32_t> filters) {
  const int64_t index = global_index();
  if (index >= count) return;
  const int64_t n = index / (2 * size);
  const int axis = static_cast<int>(index / size % 2), i = static_cast<int>(index % size);
  const AugmentSample s = samples[n];
  if (!s.image) return;
  const int64_t at = filter_at(n, axis, i, size, entry);
  const ResizeSpan span = resize_filter(kind, axis == 0 ? s.crop_width : s.crop_height, size, i,
                                        [&](int j, int32_t weight) { filters[at + 2 + j] = weight; });
  filters[at] = span.first;
  filters[at + 1] = span.count;
}

// The three bytes of output (h, w) of a sample. image: [height, width, 3].
__device__ inline void resized_pixel(const AugmentSample& s, const Global<const int32_t>& filters, int64_t columns,
                                     int64_t rows, int (&bytes)[3]) {
  const Global<const uint8_t> image(s.image, int64_t{s.width} * s.height * 3);
  const int first_column = filters[columns], column_count = filters[columns + 1];
  const int first_row = filters[rows], row_count = filters[rows + 1];
  int32_t sum[3] = {kResizeHalf, kResizeHalf, kResizeHalf};
  for (int r = 0; r < row_count; ++r) {
    int64_t at = (int64_t{s.top + first_row + r} * s.width + s.left + first_column) * 3;
    int32_t row[3] = {kResizeHalf, kResizeHalf, kResizeHalf};
    for (int j = 0; j < column_count; ++j, at += 3) {
      const int32_t weight = filters[columns + 2 + j];
      for (int c = 0; c < 3; ++c) row[c] += image[at + c] * weight;
    }
    const int32_t weight = filters[rows + 2 + r];
    for (int c = 0; c < 3; ++c) sum[c] += resize_byte(row[c]) * weight;
  }
  for (int c = 0; c < 3; ++c) bytes[c] = resize_byte(sum[c]);
}

// y: [N, S, S, 3]; values: [3, 256]. A thread per pixel, samples in y.
__global__ void __launch_bounds__(threads)
    augment_kernel(int64_t count, int size, int entry, Global<const AugmentSample> samples,
                   Global<const int32_t> filters, Global<const float> values, Global<float> y) {
  const int64_t pixel = global_index();
  if (pixel >= int64_t{size} * size) return;
  const int64_t h = pixel / size, w = pixel % size;
  for (int64_t n = blockIdx.y; n < count; n += gridDim.y) {
    const AugmentSample s = samples[n];
    if (!s.image) continue;
    int bytes[3];
    resized_pixel(s, filters, filter_at(n, 0, s.flip ? size - 1 - w : w, size, entry),
                  filter_at(n, 1, h, size, entry), bytes);
    for (int c = 0; c < 3; ++c) y[(n * size * size + pixel) * 3 + c] = values[256 * c + bytes[c]];
  }
}

}  // namespace

Kernel plan_augment(Planner& planner, const AugmentArgs& args) {
  check_args(args);
  const int64_t samples = args.y.shape.n;
  const int size = static_cast<int>(args.y.shape.w);
  const int entry = 2 + resize_taps(args.interpolation, static_cast<int>(args.max_side), size);
  const int64_t filters = samples * 2 * size;
  planner.reserve_scratch(static_cast<size_t>(filters * entry) * sizeof(int32_t));
  return [=](Context& context) {
    const cudaStream_t stream = stream_of(context);
    const Global<int32_t> table = global(reinterpret_cast<int32_t*>(context.scratch()), filters * entry);
    launch(augment_filters_kernel, blocks_for(filters, threads), threads, 0, stream, filters, size, entry,
           args.interpolation, global(args.samples, samples), table);
    launch(augment_kernel, item_grid(int64_t{size} * size, samples), threads, 0, stream, samples, size, entry,
           global(args.samples, samples), table, global(args.byte_values, 768), global(args.y));
  };
}

}  // namespace nad::cuda
