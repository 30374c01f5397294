// Convolution as an implicit GEMM (groups = 1), NHWC: rows = target pixels, columns = target channels,
// K = taps * source channels, the matrix of gathered source pixels never stored.
// With a tap (Gather::pairs) rows are ordered by pairs of counterparts, half a batch apart: see gemm_rows.
//   bytes: source once per tile column (mostly from L2), weights once per tile row, target and residual once.
//
// A block computes a tile of BlockRows x BlockColumns. Slabs of 64 bytes of K pass through `stages` buffers of shared
// memory, filled ahead of their use:
// - weights, packed at planning as [slab][channels][64 bytes], and sources that need no change: cp.async;
// - sources that need one (fp32 to bf16, prologue; padding is zero after it) or whose channels do not come in whole
//   chunks: loaded to registers before the products of the current slab, changed and stored after them.
// One barrier per slab. The sums stay in registers, pass through shared memory once to be read back as rows, and are
// finished (convolution_finish.h) and stored with 16 bytes per lane.
// The order of a sum is slab by slab, whatever the tile and the stage: it depends on the layer only.
#pragma once

#include "kernels/cuda/conv2d_gemm.h"
#include "kernels/cuda/conv2d_gemm_math.h"
#include "kernels/cuda/launch.h"

namespace nad::cuda {

constexpr int stages = 4;

// A tile and the warps that share it. A warp computes WarpRows x 32.
template <int BlockRows_, int BlockColumns_, int WarpRows_>
struct Tile {
  static constexpr int BlockRows = BlockRows_, BlockColumns = BlockColumns_, WarpRows = WarpRows_;
  static constexpr int warp_grid_columns = BlockColumns / warp_columns;
  static constexpr int threads = BlockRows / WarpRows * warp_grid_columns * warp_size;
  static constexpr int load_rows = threads / row_chunks;  // rows of a tile that all threads load together
  static constexpr int source_loads = BlockRows / load_rows, weight_loads = BlockColumns / load_rows;
  static constexpr int stage_bytes = (BlockRows + BlockColumns) * row_bytes;
  // The stages, then the target pixel and the sample of every row.
  static constexpr int shared_bytes = stages * stage_bytes + BlockRows * 2 * static_cast<int>(sizeof(int));
  static_assert(BlockRows % load_rows == 0 && BlockColumns % load_rows == 0 && BlockRows <= threads);
  static_assert(threads / warp_size * slice_rows * slice_stride * static_cast<int>(sizeof(float)) <=
                stages * stage_bytes);
};

// The position of a row, or -1 beyond the last one.
__device__ inline int position_of(const Gather& g, int row) {
  if (g.pairs == 0) return row < g.positions ? row : -1;
  const int pair = row / (2 * paired_rows) * paired_rows + row % paired_rows;
  if (pair >= g.pairs) return -1;
  return row / paired_rows % 2 ? g.pairs + pair : pair;
}

// The chunk and the first row that this thread loads of every tile: four threads a row.
__device__ inline int load_row() { return static_cast<int>(threadIdx.x) / row_chunks; }
__device__ inline int load_chunk() { return static_cast<int>(threadIdx.x) % row_chunks; }

// Where in K a chunk begins: channel c of tap (th, tw), and where that is relative to a row's first source pixel.
struct KCursor {
  int c, th = 0, tw = 0;

  __device__ KCursor(const Gather& g, int channels, int k) : c(0) { advance(g, channels, k); }
  __device__ void advance(const Gather& g, int channels, int by) {
    c += by;
    while (c >= channels && th < g.taps_h) {
      c -= channels;
      if (++tw == g.taps_w) tw = 0, ++th;
    }
  }
};

// The part of source' that one thread loads: chunk load_chunk() of rows load_row() + i*load_rows.
template <class T, class Tile, Loads Way>
class SourceLoader {
  static constexpr int width = static_cast<int>(16 / sizeof(T));  // elements of a chunk
  static constexpr int count = Tile::source_loads;

 public:
  __device__ SourceLoader(const Source& source, const Gather& gather, int first_row)
      : source_(source), g_(gather), cursor_(gather, source.channels, load_chunk() * width) {
    NAD_UNROLL
    for (int i = 0; i < count; ++i) {
      const int index = position_of(g_, first_row + load_row() + i * Tile::load_rows);
      const Position at(g_, index < 0 ? 0 : index);
      // A row beyond the last position has no source row that is inside.
      h_[i] = index >= 0 ? at.h * g_.step_h + g_.base_h : outside;
      w_[i] = at.w * g_.step_w + g_.base_w;
      first_[i] =
          (int64_t{at.sample} * g_.source_h * g_.source_w + (at.h * g_.step_h + g_.base_h) * g_.source_w + w_[i]) *
          source.stride;
    }
  }

  // Starts the loads of the next slab. copies: straight into `tile`.
  __device__ void start(const Shared<T>& tile) {
    if constexpr (Way == Loads::scalars) {
      load_scalars();
    } else {
      inside_ = 0;
      channel_ = cursor_.c;
      const int64_t offset_in_k = offset_of(cursor_);
      NAD_UNROLL
      for (int i = 0; i < count; ++i) {
        const int64_t offset = first_[i] + offset_in_k;
        const bool inside = is_inside(i, cursor_);
        inside_ |= static_cast<unsigned>(inside) << i;
        if constexpr (Way == Loads::copies) {
          cp_async_16_or_zero(tile, target(i), source_.data, offset, inside);
        } else {
          load_vectors(i, inside, offset);
        }
      }
    }
    cursor_.advance(g_, source_.channels, row_chunks * width);
  }

  // Ends what start() began: registers to shared memory.
  __device__ void finish(const Shared<T>& tile) {
    if constexpr (Way != Loads::copies) {
      NAD_UNROLL
      for (int i = 0; i < count; ++i) {
        if (Way == Loads::vectors && (inside_ >> i & 1)) change(values_[i]);
        put(tile, target(i), values_[i]);
      }
    }
  }

 private:
  static constexpr int outside = -(1 << 30);

  __device__ int target(int i) const {
    return i * Tile::load_rows * row_elements<T> + chunk_offset<T>(load_row(), load_chunk());
  }

  // The element at the cursor, relative to a row's first; is it inside of the source for row i, or padding?
  __device__ int64_t offset_of(const KCursor& k) const {
    return int64_t{k.th * g_.tap_step_h * g_.source_w + k.tw * g_.tap_step_w} * source_.stride + k.c;
  }
  __device__ bool is_inside(int i, const KCursor& k) const {
    const int h = h_[i] + k.th * g_.tap_step_h, w = w_[i] + k.tw * g_.tap_step_w;
    return h >= 0 && h < g_.source_h && w >= 0 && w < g_.source_w && k.th < g_.taps_h;
  }

  __device__ void load_vectors(int i, bool inside, int64_t offset) {
    NAD_UNROLL
    for (int q = 0; q < width; q += 4) {
      const float4 v = inside ? load_readonly<float4>(source_.data, offset + q) : make_float4(0, 0, 0, 0);
      values_[i][q] = v.x, values_[i][q + 1] = v.y, values_[i][q + 2] = v.z, values_[i][q + 3] = v.w;
    }
  }

  __device__ void load_scalars() {
    NAD_UNROLL
    for (int i = 0; i < count; ++i) {
      KCursor k = cursor_;
      NAD_UNROLL
      for (int j = 0; j < width; ++j) {
        Pack<1> value = filled<1>(0.0f);
        if (is_inside(i, k)) {
          value.v[0] = load_readonly<float>(source_.data, first_[i] + offset_of(k));
          apply_prologue(source_, k.c, value);
        }
        values_[i][j] = value.v[0];
        k.advance(g_, source_.channels, 1);
      }
    }
  }

  __device__ void change(float (&v)[width]) const {
    NAD_UNROLL
    for (int q = 0; q < width; q += 4) {
      Pack<4> four = {{v[q], v[q + 1], v[q + 2], v[q + 3]}};
      apply_prologue(source_, channel_ + q, four);
      v[q] = four.v[0], v[q + 1] = four.v[1], v[q + 2] = four.v[2], v[q + 3] = four.v[3];
    }
  }

  __device__ static void put(const Shared<T>& tile, int i, const float (&v)[width]) {
    if constexpr (width == 4) {
      store(tile, i, make_float4(v[0], v[1], v[2], v[3]));
    } else {
      store(tile, i,
            make_uint4(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]), bf16_pair(v[4], v[5]), bf16_pair(v[6], v[7])));
    }
  }

  const Source& source_;
  const Gather& g_;
  KCursor cursor_;
  int h_[count], w_[count];  // each row's source pixel for tap (0, 0), maybe outside
  int64_t first_[count];     // its first element
  unsigned inside_ = 0;
  int channel_ = 0;
  float values_[Way == Loads::copies ? 1 : count][width];
};

// The target pixel (-1: none) and the sample of every row of the tile, for the finish.
template <class Tile>
__device__ inline void note_targets(const Gather& g, int first_row, const Shared<int>& pixels) {
  const int row = static_cast<int>(threadIdx.x);
  if (row >= Tile::BlockRows) return;
  const int index = position_of(g, first_row + row);
  const Position at(g, index < 0 ? 0 : index);
  pixels[row] = index < 0 ? -1 : static_cast<int>(at.target_pixel(g));
  pixels[Tile::BlockRows + row] = at.sample;
}

// A lane finishes V channels of four rows of a slice: lane / 8, and 4, 8 and 12 further. The last two are the
// counterparts of the first two where rows are paired: then adds the squares of their differences to squares.
constexpr int lane_rows = slice_rows / (warp_size / 8);

template <class Tile, int V>
__device__ inline void finish_rows(const Finish& f, const Shared<const float>& slice, const Shared<const int>& pixels,
                                   int row, int within, int c, float (&squares)[lane_rows / 2]) {
  const ChannelFactors<V> factors(f, c);
  Pack<V> counterpart[lane_rows / 2];
  NAD_UNROLL
  for (Pack<V>& r : counterpart) r = filled<V>(0.0f);
  NAD_UNROLL
  for (int i = 0; i < lane_rows; ++i) {
    const int r = lane_index() / 8 + i * (warp_size / 8);
    const int pixel = pixels[row + r];
    if (pixel < 0) continue;
    Pack<V> z;
    if constexpr (V == 4) {
      const float4 q = load<float4>(slice, r * slice_stride + within);
      z = {{q.x, q.y, q.z, q.w}};
    } else {
      z = {{slice[r * slice_stride + within]}};
    }
    finish_values(f, factors, pixel, pixels[Tile::BlockRows + row + r], c, z);
    if (!f.tap) continue;
    NAD_UNROLL
    for (int k = 0; k < V; ++k) {
      if (i < lane_rows / 2) {
        counterpart[i].v[k] = z.v[k];
      } else {
        const float difference = z.v[k] - counterpart[i - lane_rows / 2].v[k];
        squares[i - lane_rows / 2] = fmaf(difference, difference, squares[i - lane_rows / 2]);
      }
    }
  }
}

// The partial sums of the tap over the slice's columns. Eight lanes share a row; a pair's number is its pixel in the
// first half of the batch.
__device__ inline void store_squares(const Finish& f, const Shared<const int>& pixels, int row, int column,
                                     float (&squares)[lane_rows / 2]) {
  NAD_UNROLL
  for (int i = 0; i < lane_rows / 2; ++i) {
    NAD_UNROLL
    for (int mask = 4; mask > 0; mask /= 2) squares[i] += __shfl_xor_sync(full_warp, squares[i], mask);
    const int pair = pixels[row + lane_index() / 8 + i * (warp_size / 8)];
    if (lane_index() % 8 == 0 && pair >= 0 && column < f.channels) {
      f.tap[int64_t{pair} * tap_slices(f.channels) + column / tap_slice] = squares[i];
    }
  }
}

// One slice of 16 rows x 32 columns: read back as rows of four channels per lane, finished, stored.
template <class Tile>
__device__ inline void finish_slice(const Finish& f, const Shared<const float>& slice,
                                    const Shared<const int>& pixels, int row, int column) {
  static_assert(slice_rows == 2 * paired_rows && warp_columns == tap_slice);
  const int within = lane_index() % 8 * 4;
  const int c = column + within;
  float squares[lane_rows / 2] = {};
  if (f.vectors) {
    if (c < f.channels) finish_rows<Tile, 4>(f, slice, pixels, row, within, c, squares);
  } else {
    for (int j = 0; j < 4 && c + j < f.channels; ++j) {
      finish_rows<Tile, 1>(f, slice, pixels, row, within + j, c + j, squares);
    }
  }
  if (f.tap) store_squares(f, pixels, row, column, squares);
}

// PRECOND: grid (row tiles of the largest gather * column_tiles, 1, gathers), Tile::threads, Tile::shared_bytes.
// weight: for every gather from Gather::weights on [slab][padded_channels][64 bytes].
template <class Math, class Tile, Loads Way>
__global__ void __launch_bounds__(Tile::threads, Way == Loads::scalars ? 1
                                                 : Tile::threads > 128 ? 2
                                                                       : 3)
    conv2d_gemm_kernel(const __grid_constant__ GemmArgs args, Global<const typename Math::Element> weight) {
  using T = typename Math::Element;
  constexpr int width = static_cast<int>(16 / sizeof(T)), slab = row_chunks * width;
  constexpr int stage_elements = Tile::stage_bytes / static_cast<int>(sizeof(T));
  const Gather& gather = args.gathers[blockIdx.z];
  const int first_row = static_cast<int>(blockIdx.x) / args.column_tiles * Tile::BlockRows;
  const int first_column = static_cast<int>(blockIdx.x) % args.column_tiles * Tile::BlockColumns;
  if (first_row >= gemm_rows(gather)) return;  // a smaller gather than the largest

  const Shared<T> tiles = dynamic_shared<T>(0, stages * stage_elements);
  const Shared<int> pixels = dynamic_shared<int>(stages * Tile::stage_bytes, 2 * Tile::BlockRows);
  note_targets<Tile>(gather, first_row, pixels);
  const auto source_tile = [&](int s) { return tiles + s % stages * stage_elements; };
  const auto weight_tile = [&](int s) { return tiles + (s % stages * stage_elements + Tile::BlockRows * slab); };

  const int slabs = (gather.taps_h * gather.taps_w * args.source.channels + slab - 1) / slab;
  SourceLoader<T, Tile, Way> source(args.source, gather, first_row);
  const auto start = [&](int s) {
    source.start(source_tile(s));
    const int64_t from = gather.weights + (int64_t{s} * args.padded_channels + first_column + load_row()) * slab +
                         load_chunk() * width;
    NAD_UNROLL
    for (int i = 0; i < Tile::weight_loads; ++i) {
      constexpr int step = Tile::load_rows * slab;  // load_rows is a multiple of 8
      cp_async_16(weight_tile(s), chunk_offset<T>(load_row(), load_chunk()) + i * step, weight, from + i * step);
    }
  };

  for (int s = 0; s < stages - 1; ++s) {
    if (s < slabs) {
      start(s);
      source.finish(source_tile(s));
    }
    cp_async_commit();  // also an empty group: the wait below counts groups
  }
  Math math;
  const int warp_row = warp_index() / Tile::warp_grid_columns * Tile::WarpRows;
  const int warp_column = warp_index() % Tile::warp_grid_columns * warp_columns;
  for (int s = 0; s < slabs; ++s) {
    cp_async_wait<stages - 2>();
    __syncthreads();  // slab s has arrived for every thread, and every thread is done with slab s - 1
    const int next = s + stages - 1;
    if (next < slabs) start(next);
    cp_async_commit();
    math.multiply(source_tile(s) + warp_row * slab, weight_tile(s) + warp_column * slab);
    if (next < slabs) source.finish(source_tile(next));
  }
  cp_async_wait<0>();
  __syncthreads();  // the stages are free; pixels are visible

  constexpr int slice_floats = slice_rows * slice_stride;
  const Shared<float> slice =
      dynamic_shared<float>(warp_index() * slice_floats * static_cast<int>(sizeof(float)), slice_floats);
  NAD_UNROLL
  for (int i = 0; i < Tile::WarpRows / slice_rows; ++i) {
    math.put_slice(i, slice);
    __syncwarp();
    finish_slice<Tile>(args.finish, slice, pixels, warp_row + i * slice_rows, first_column + warp_column);
    __syncwarp();
  }
}

// The kernel with its arguments. PRECOND: the problem's weights are of Math::Element.
template <class Math, class Tile, Loads Way>
GemmRun bind_gemm(const GemmProblem& p) {
  using T = typename Math::Element;
  GemmArgs args = p.args;
  args.column_tiles = p.padded_channels() / Tile::BlockColumns;
  const Grid grid(ceil_div(p.rows, Tile::BlockRows) * args.column_tiles, 1, p.gathers);
  const Global<const T> weight(static_cast<const T*>(p.weight), p.weight_count);
  return [=](cudaStream_t stream, const Global<float>& tap) {
    GemmArgs with_tap = args;
    with_tap.finish.tap = tap;
    launch(conv2d_gemm_kernel<Math, Tile, Way>, grid, Tile::threads, Tile::shared_bytes, stream, with_tap, weight);
  };
}

// The instantiations of a precision: MathOf<WarpRows> with the tiles that it has, Loads::copies where `Copies`, and
// Loads::scalars with m128n64 alone. Empty for the others.
template <template <int> class MathOf, bool Copies, class Tile>
GemmRun bind_tile(Loads loads, const GemmProblem& problem) {
  using Math = MathOf<Tile::WarpRows>;
  if constexpr (Copies) {
    if (loads == Loads::copies) return bind_gemm<Math, Tile, Loads::copies>(problem);
  }
  if (loads == Loads::vectors) return bind_gemm<Math, Tile, Loads::vectors>(problem);
  if constexpr (Tile::BlockRows == 128 && Tile::BlockColumns == 64) {
    if (loads == Loads::scalars) return bind_gemm<Math, Tile, Loads::scalars>(problem);
  }
  return {};
}

template <template <int> class MathOf, bool Copies, bool HasM128n128>
GemmRun bind_any(GemmTile tile, Loads loads, const GemmProblem& problem) {
  switch (tile) {
    case GemmTile::m128n128:
      if constexpr (HasM128n128) return bind_tile<MathOf, Copies, Tile<128, 128, 64>>(loads, problem);
      return {};
    case GemmTile::m128n64:
      return bind_tile<MathOf, Copies, Tile<128, 64, 32>>(loads, problem);
    case GemmTile::m64n64:
      return bind_tile<MathOf, Copies, Tile<64, 64, 32>>(loads, problem);
    case GemmTile::m128n32:
      return bind_tile<MathOf, Copies, Tile<128, 32, 32>>(loads, problem);
    default:
      return {};
  }
}

}  // namespace nad::cuda
