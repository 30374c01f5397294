// Linear: acc[n, o] = sum_j W[o, j] * x[n, j], then the
// epilogue. To the data: dx[n, j] (+)= sum_o W[o, j] * dz[n, o].
//
// Both are C[m, n] = sum_k A[m, k] * B[n, k] with k along memory on both sides: forward A = x, B = W; backward A =
// dz, B = W transposed at planning. Few samples and many weights: bound by reading B once.
//
// A block computes 32 x 64 results over one slice of k (split over `splits` slices so that a batch of 16 fills the
// device; the number depends on the layer alone, so a sample's bytes do not depend on the batch).
// linear_finish_kernel adds the slices in order and applies the epilogue.
//   fp32:       4 x 4 results per thread, FMA on the CUDA cores
//   tf32, bf16: 4 warps side by side along n, mma.m16n8k8 and m16n8k16, sums in fp32
#include <algorithm>
#include <string>

#include "engine/op_checks.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/mma.h"
#include "kernels/cuda/ops.h"

namespace nad::cuda {

namespace {

constexpr int tile_m = 32, tile_n = 64, tile_k = 32;
constexpr int threads = 128;
constexpr int quads_a = tile_m * tile_k / 4 / threads, quads_b = tile_n * tile_k / 4 / threads;

template <class Weight>
struct GemmView {
  Global<const float> a;   // [M, K]
  Global<const Weight> b;  // [N, K]
  Global<float> partial;   // [splits, M, N]
  int64_t m, n, k;
  int64_t slice;  // of k per block, a multiple of tile_k
};

__device__ inline Pack<4> zeros() { return {{0.0f, 0.0f, 0.0f, 0.0f}}; }

// x[row, column .. column + 3] of a [rows, columns] matrix, zeros outside. Four: columns is a multiple of 4 and rows
// start at 16-byte (8-byte) addresses.
template <bool Four>
__device__ inline Pack<4> load_quad(const Global<const float>& x, int64_t row, int64_t column, int64_t rows,
                                    int64_t columns) {
  if (row >= rows || column >= columns) return zeros();
  if constexpr (Four) {
    return load_pack<4>(x, row * columns + column);
  } else {
    Pack<4> r = zeros();
    for (int i = 0; i < 4 && column + i < columns; ++i) r.v[i] = x[row * columns + column + i];
    return r;
  }
}
template <bool Four>
__device__ inline Pack<4> load_quad(const Global<const bf16>& x, int64_t row, int64_t column, int64_t rows,
                                    int64_t columns) {
  if (row >= rows || column >= columns) return zeros();
  if constexpr (Four) {
    const uint2 q = load<uint2>(x, row * columns + column);
    return {{__uint_as_float(q.x << 16), __uint_as_float(q.x & 0xffff0000u), __uint_as_float(q.y << 16),
             __uint_as_float(q.y & 0xffff0000u)}};
  } else {
    Pack<4> r = zeros();
    for (int i = 0; i < 4 && column + i < columns; ++i) {
      const bf16 value = x[row * columns + column + i];
      r.v[i] = __bfloat162float(value);
    }
    return r;
  }
}

// The quads of the next tiles, on their way from global to shared memory.
template <class Weight, bool Four>
struct Loader {
  Pack<4> a[quads_a], b[quads_b];
  __device__ static int row(int i) { return static_cast<int>(threadIdx.x + i * threads) / (tile_k / 4); }
  __device__ static int column(int i) { return static_cast<int>(threadIdx.x + i * threads) % (tile_k / 4) * 4; }
  __device__ void load(const GemmView<Weight>& g, int64_t m0, int64_t n0, int64_t k0, int64_t end) {
    // Slices end at a multiple of tile_k or at K.
    for (int i = 0; i < quads_a; ++i) {
      a[i] = k0 < end ? load_quad<Four>(g.a, m0 + row(i), k0 + column(i), g.m, g.k) : zeros();
    }
    for (int i = 0; i < quads_b; ++i) {
      b[i] = k0 < end ? load_quad<Four>(g.b, n0 + row(i), k0 + column(i), g.n, g.k) : zeros();
    }
  }
};

// ---- fp32 --------------------------------------------------------------------------------------------------------
template <bool Four>
__global__ void __launch_bounds__(threads) gemm_fp32_kernel(GemmView<float> g) {
  constexpr int lda = tile_m + 4, ldb = tile_n + 4;
  NAD_SHARED(float, as, tile_k* lda);  // [k][m]
  NAD_SHARED(float, bs, tile_k* ldb);  // [k][n]
  const int64_t n0 = int64_t{blockIdx.x} * tile_n, m0 = int64_t{blockIdx.y} * tile_m;
  const int64_t begin = blockIdx.z * g.slice, end = begin + g.slice < g.k ? begin + g.slice : g.k;
  const int tn = static_cast<int>(threadIdx.x) % 16 * 4, tm = static_cast<int>(threadIdx.x) / 16 * 4;
  float sum[4][4] = {};
  Loader<float, Four> next;
  next.load(g, m0, n0, begin, end);
  for (int64_t k0 = begin; k0 < end; k0 += tile_k) {
    for (int i = 0; i < quads_a; ++i) {
      for (int j = 0; j < 4; ++j) as[(next.column(i) + j) * lda + next.row(i)] = next.a[i].v[j];
    }
    for (int i = 0; i < quads_b; ++i) {
      for (int j = 0; j < 4; ++j) bs[(next.column(i) + j) * ldb + next.row(i)] = next.b[i].v[j];
    }
    __syncthreads();
    next.load(g, m0, n0, k0 + tile_k, end);
    for (int k = 0; k < tile_k; ++k) {
      const float4 qa = load<float4>(as, k * lda + tm), qb = load<float4>(bs, k * ldb + tn);
      const float a[4] = {qa.x, qa.y, qa.z, qa.w}, b[4] = {qb.x, qb.y, qb.z, qb.w};
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) sum[i][j] = fmaf(a[i], b[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      const int64_t m = m0 + tm + i, n = n0 + tn + j;
      if (m < g.m && n < g.n) g.partial[(blockIdx.z * g.m + m) * g.n + n] = sum[i][j];
    }
  }
}

// ---- tf32 and bf16 -----------------------------------------------------------------------------------------------
// One tensor-core product over `depth` of k: how elements lie in shared memory, how fragments are read (mma.h).
// Rows of `pitch` elements put a fragment's 32 words into 32 different banks.
template <class Weight>
struct Product;

template <>
struct Product<float> {  // tf32
  using Element = uint32_t;
  static constexpr int depth = 8, pitch = tile_k + 4;
  __device__ static Element round(float value) { return to_tf32(value); }
  __device__ static void load_a(const Shared<Element>& x, int row, int k, uint32_t (&a)[4]) {
    const int g = lane_index() / 4, t = lane_index() % 4;
    a[0] = x[(row + g) * pitch + k + t];
    a[1] = x[(row + g + 8) * pitch + k + t];
    a[2] = x[(row + g) * pitch + k + t + 4];
    a[3] = x[(row + g + 8) * pitch + k + t + 4];
  }
  __device__ static void load_b(const Shared<Element>& x, int row, int k, uint32_t (&b)[2]) {
    const int g = lane_index() / 4, t = lane_index() % 4;
    b[0] = x[(row + g) * pitch + k + t];
    b[1] = x[(row + g) * pitch + k + t + 4];
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k8_tf32(d, a, b);
  }
};

template <>
struct Product<bf16> {
  using Element = bf16;
  static constexpr int depth = 16, pitch = tile_k + 8;
  __device__ static Element round(float value) { return __float2bfloat16_rn(value); }
  __device__ static void load_a(const Shared<Element>& x, int row, int k, uint32_t (&a)[4]) {
    const int g = lane_index() / 4, t = lane_index() % 4 * 2;
    a[0] = load<uint32_t>(x, (row + g) * pitch + k + t);
    a[1] = load<uint32_t>(x, (row + g + 8) * pitch + k + t);
    a[2] = load<uint32_t>(x, (row + g) * pitch + k + t + 8);
    a[3] = load<uint32_t>(x, (row + g + 8) * pitch + k + t + 8);
  }
  __device__ static void load_b(const Shared<Element>& x, int row, int k, uint32_t (&b)[2]) {
    const int g = lane_index() / 4, t = lane_index() % 4 * 2;
    b[0] = load<uint32_t>(x, (row + g) * pitch + k + t);
    b[1] = load<uint32_t>(x, (row + g) * pitch + k + t + 8);
  }
  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_m16n8k16_bf16(d, a, b);
  }
};

template <class Weight, bool Four>
__global__ void __launch_bounds__(threads) gemm_mma_kernel(GemmView<Weight> g) {
  using P = Product<Weight>;
  NAD_SHARED(typename P::Element, as, tile_m * P::pitch);  // [m][k]
  NAD_SHARED(typename P::Element, bs, tile_n * P::pitch);  // [n][k]
  const int64_t n0 = int64_t{blockIdx.x} * tile_n, m0 = int64_t{blockIdx.y} * tile_m;
  const int64_t begin = blockIdx.z * g.slice, end = begin + g.slice < g.k ? begin + g.slice : g.k;
  const int column = warp_index() * 16;  // this warp's 16 of the tile's n
  float sum[2][2][4] = {};               // [m / 16][n / 8][fragment]
  Loader<Weight, Four> next;
  next.load(g, m0, n0, begin, end);
  for (int64_t k0 = begin; k0 < end; k0 += tile_k) {
    for (int i = 0; i < quads_a; ++i) {
      for (int j = 0; j < 4; ++j) as[next.row(i) * P::pitch + next.column(i) + j] = P::round(next.a[i].v[j]);
    }
    for (int i = 0; i < quads_b; ++i) {
      for (int j = 0; j < 4; ++j) bs[next.row(i) * P::pitch + next.column(i) + j] = P::round(next.b[i].v[j]);
    }
    __syncthreads();
    next.load(g, m0, n0, k0 + tile_k, end);
    for (int k = 0; k < tile_k; k += P::depth) {
      uint32_t a[2][4], b[2][2];
      for (int i = 0; i < 2; ++i) P::load_a(as, 16 * i, k, a[i]);
      for (int j = 0; j < 2; ++j) P::load_b(bs, column + 8 * j, k, b[j]);
      for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) P::multiply(sum[i][j], a[i], b[j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      for (int f = 0; f < 4; ++f) {
        const int64_t m = m0 + 16 * i + lane_index() / 4 + f / 2 * 8;
        const int64_t n = n0 + column + 8 * j + lane_index() % 4 * 2 + f % 2;
        if (m < g.m && n < g.n) g.partial[(blockIdx.z * g.m + m) * g.n + n] = sum[i][j][f];
      }
    }
  }
}

// y[m, n] (+)= epilogue(sum over the slices). A thread per V results, samples along the grid's y.
template <int V>
__global__ void __launch_bounds__(item_threads)
    linear_finish_kernel(Global<const float> partial, int splits, int64_t samples, int channels,
                         DeviceEpilogue epilogue, bool add, Global<float> y) {
  const int64_t index = global_index();
  if (index >= channels / V) return;
  const int c = static_cast<int>(index) * V;
  for (int64_t m = blockIdx.y; m < samples; m += gridDim.y) {
    Pack<V> sum = load_pack<V>(partial, m * channels + c);
    for (int s = 1; s < splits; ++s) {
      const Pack<V> slice = load_pack<V>(partial, (s * samples + m) * channels + c);
      for (int k = 0; k < V; ++k) sum.v[k] += slice.v[k];
    }
    epilogue.template apply<V>(sum, m, c, epilogue.gate_at(m));
    put_pack<V>(y, m * channels + c, sum, add);
  }
}

// ---- planning ----------------------------------------------------------------------------------------------------
// Slices of k: enough blocks for a large device, at least 512 products each.
int64_t split_count(const LinearProblem& s) {
  const int64_t wanted = std::max<int64_t>(1, 512 / ceil_div(s.n, tile_n));
  return std::clamp<int64_t>(s.k / 512, 1, std::min<int64_t>(wanted, 64));
}

template <class Weight>
Kernel plan_gemm(Planner& planner, const LinearProblem& p, void (*kernel)(GemmView<Weight>)) {
  const Buffer packed = upload_linear_weight<Weight>(planner, p);
  const int64_t splits = split_count(p), partials = splits * p.m * p.n;
  planner.reserve_scratch(sizeof(float) * static_cast<size_t>(partials));
  GemmView<Weight> view{};
  view.a = global(p.a, p.m * p.k);
  view.b = global(static_cast<const Weight*>(static_cast<const void*>(packed.get())), p.n * p.k);
  view.m = p.m, view.n = p.n, view.k = p.k;
  view.slice = ceil_div(ceil_div(p.k, splits), tile_k) * tile_k;
  const auto slices = static_cast<int>(ceil_div(p.k, view.slice));
  const Grid grid(ceil_div(p.n, tile_n), ceil_div(p.m, tile_m), slices);
  return [=, finish = p.finish, kept = packed](Context& context) {  // the weights live as long as the kernel
    GemmView<Weight> v = view;
    v.partial = Global<float>(reinterpret_cast<float*>(context.scratch()), partials);
    launch(kernel, grid, threads, 0, stream_of(context), v);
    launch_linear_finish(finish, v.partial, slices, v.m, v.n, stream_of(context));
  };
}

Kernel handwritten(Planner& planner, const LinearProblem& p) {
  const bool four = p.k % 4 == 0 && aligned16(p.a);
  switch (planner.precision()) {
    case Precision::fp32:
      return plan_gemm<float>(planner, p, four ? gemm_fp32_kernel<true> : gemm_fp32_kernel<false>);
    case Precision::tf32:
      return plan_gemm<float>(planner, p, four ? gemm_mma_kernel<float, true> : gemm_mma_kernel<float, false>);
    case Precision::bf16:
      return plan_gemm<bf16>(planner, p, four ? gemm_mma_kernel<bf16, true> : gemm_mma_kernel<bf16, false>);
  }
  return {};
}

Kernel plan(Planner& planner, const LinearProblem& p) {
  KernelChoices::Layer layer;
  layer.text = std::string(p.transposed ? "linear_backward " : "linear ") + to_string(planner.precision()) + " " +
               std::to_string(p.m) + "x" + std::to_string(p.k) + " to " + std::to_string(p.n);
  if (p.finish.add) {
    layer.accumulated = p.finish.y.data();
    layer.accumulated_bytes = sizeof(float) * static_cast<size_t>(p.m * p.n);
  }
  return backend_of(planner.context())
      .choices()
      .choose(
          planner, layer, [&] { return handwritten(planner, p); }, [&] { return linear_cublas(planner, p); });
}

}  // namespace

void launch_linear_finish(const LinearFinish& f, const Global<float>& partial, int splits, int64_t m, int64_t n,
                          cudaStream_t stream) {
  launch(f.four ? linear_finish_kernel<4> : linear_finish_kernel<1>, item_grid(n / (f.four ? 4 : 1), m), item_threads,
         0, stream, partial, splits, m, static_cast<int>(n), f.epilogue, f.add, f.y);
}

Kernel plan_linear(Planner& planner, const LinearArgs& args) {
  check_args(args);
  LinearProblem p;
  p.m = args.y.shape.n, p.n = args.y.shape.c, p.k = args.x.shape.count() / args.x.shape.n;
  p.a = args.x.data;
  p.weight = args.weight.get();
  p.finish.params = epilogue_params(planner, args.epilogue);
  p.finish.epilogue = device_epilogue(args.epilogue, p.finish.params, args.y.shape);
  p.finish.four = by_four(args.y) && by_four(args.epilogue);
  p.finish.y = global(args.y);
  return plan(planner, p);
}

Kernel plan_linear_backward(Planner& planner, const LinearBackwardArgs& args) {
  check_args(args);
  LinearProblem p;
  p.m = args.dz.shape.n, p.n = args.dx.shape.count() / args.dx.shape.n, p.k = args.dz.shape.c;
  p.a = args.dz.data;
  p.weight = args.weight.get();
  p.transposed = true;
  p.finish.add = args.mode == Accumulate::add;
  p.finish.four = aligned16(args.dx.data) && p.n % 4 == 0;
  p.finish.y = global(args.dx.data, p.m * p.n);
  return plan(planner, p);
}

}  // namespace nad::cuda
