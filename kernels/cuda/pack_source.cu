#include "kernels/cuda/arguments.h"
#include "kernels/cuda/convolution_finish.h"
#include "kernels/cuda/pack_source.h"

namespace nad::cuda {

namespace {

template <int V>
__device__ inline void store_as(const Global<float>& x, int64_t i, const Pack<V>& r) {
  store_pack<V>(x, i, r);
}
__device__ inline void store_as(const Global<bf16>& x, int64_t i, const Pack<4>& r) {
  store(x, i, make_uint2(bf16_pair(r.v[0], r.v[1]), bf16_pair(r.v[2], r.v[3])));
}
__device__ inline void store_as(const Global<bf16>& x, int64_t i, const Pack<1>& r) {
  x[i] = __float2bfloat16_rn(r.v[0]);
}

// grid: item_grid(plane * channels / V, samples)
template <class T, int V>
__global__ void __launch_bounds__(item_threads)
    pack_kernel(Source source, int64_t samples, int64_t plane, Global<T> packed) {
  const int64_t index = global_index();
  if (index >= plane * (source.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), source.channels);
  for (int64_t n = blockIdx.y; n < samples; n += gridDim.y) {
    const int64_t pixel = n * plane + item.pixel;
    Pack<V> values = load_pack<V>(source.data, pixel * source.stride + item.c);
    apply_prologue(source, item.c, values);
    store_as(packed, pixel * source.channels + item.c, values);
  }
}

template <class T>
void launch_as(const Source& source, const Shape& shape, std::byte* packed, cudaStream_t stream) {
  const int64_t plane = shape.h * shape.w;
  const bool four = source.vectors && source.channels % 4 == 0;
  launch(four ? pack_kernel<T, 4> : pack_kernel<T, 1>, item_grid(plane * source.channels / (four ? 4 : 1), shape.n),
         item_threads, 0, stream, source, shape.n, plane,
         Global<T>(reinterpret_cast<T*>(packed), shape.pixels() * source.channels));
}

}  // namespace

void launch_pack(const Source& source, const Shape& shape, bool as_bf16, std::byte* packed, cudaStream_t stream) {
  if (as_bf16) return launch_as<bf16>(source, shape, packed, stream);
  launch_as<float>(source, shape, packed, stream);
}

}  // namespace nad::cuda
