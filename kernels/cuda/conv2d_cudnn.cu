// Convolution by cuDNN, forward and to the data, NHWC:
//   packed = prologue(source)      where the source is a slice, has a prologue, or the products are of bf16
//   sums   = cuDNN's convolution   in fp32, for products of bf16 in bf16: cuDNN's convolution gives its inputs' type
//   target = finish(sums)          unless sums are the target
// The passes before and after cost what the hand-written kernels save by fusing;
// cuDNN's products may still be faster. The algorithm is the first of cuDNN's
// heuristics that is deterministic and needs no more than `most_workspace`.
#include <algorithm>
#include <vector>

#include "kernels/cuda/arguments.h"
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/convolution_finish.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/pack_source.h"

namespace nad::cuda {

namespace {

constexpr size_t most_workspace = size_t{512} << 20;

// ---- the finish on its own ----------------------------------------------------------------------------------------
template <int V>
__device__ inline Pack<V> load_sums(const Global<const float>& x, int64_t i) {
  return load_pack<V>(x, i);
}
template <int V>
__device__ inline Pack<V> load_sums(const Global<const bf16>& x, int64_t i) {
  if constexpr (V == 4) {
    const uint2 q = load<uint2>(x, i);
    return {{__uint_as_float(q.x << 16), __uint_as_float(q.x & 0xffff0000u), __uint_as_float(q.y << 16),
             __uint_as_float(q.y & 0xffff0000u)}};
  } else {
    const bf16 value = x[i];
    return {{__bfloat162float(value)}};
  }
}

// sums: [N, target_h, target_w, channels], dense. grid: item_grid(plane * channels / V, samples)
template <class T, int V>
__global__ void __launch_bounds__(item_threads)
    conv2d_finish_kernel(Finish finish, Global<const T> sums, int64_t samples, int64_t plane) {
  const int64_t index = global_index();
  if (index >= plane * (finish.channels / V)) return;
  const Item<V> item(static_cast<unsigned>(index), finish.channels);
  const ChannelFactors<V> factors(finish, item.c);
  for (int64_t n = blockIdx.y; n < samples; n += gridDim.y) {
    const int64_t pixel = n * plane + item.pixel;
    Pack<V> z = load_sums<V>(sums, pixel * finish.channels + item.c);
    finish_values(finish, factors, pixel, static_cast<int>(n), item.c, z);
  }
}

template <class T>
void launch_finish(const Finish& finish, const Shape& shape, const std::byte* sums, cudaStream_t stream) {
  const int64_t plane = shape.h * shape.w;
  launch(finish.vectors ? conv2d_finish_kernel<T, 4> : conv2d_finish_kernel<T, 1>,
         item_grid(plane * finish.channels / (finish.vectors ? 4 : 1), shape.n), item_threads, 0, stream, finish,
         Global<const T>(reinterpret_cast<const T*>(sums), shape.count()), shape.n, plane);
}

// ---- descriptors --------------------------------------------------------------------------------------------------
using Descriptor = std::shared_ptr<void>;

Descriptor describe_with(const Cudnn& cudnn, int (*create)(void**), int (*destroy)(void*)) {
  void* descriptor = nullptr;
  cudnn.check(create(&descriptor), "creating a descriptor");
  return {descriptor, destroy};
}

// A convolution as cuDNN sees it. PRECOND: covers().
struct Task {
  const Cudnn& cudnn;
  bool backward;
  Descriptor source, target, filter, convolution;
  int algorithm = 0;
  size_t workspace = 0;

  Task(const Cudnn& library, const Convolution& c, Precision precision)
      : cudnn(library),
        backward(c.backward),
        source(tensor(c.source_shape, precision)),
        target(tensor(c.target_shape, precision)) {
    const CudnnFunctions& f = cudnn.functions();
    const auto& shape = c.weight->shape;  // [O, I/groups, KH, KW]
    const auto i = [](int64_t value) { return static_cast<int>(value); };
    filter = describe_with(cudnn, f.create_filter, f.destroy_filter);
    cudnn.check(
        f.set_filter(filter.get(), type(precision), kCudnnNhwc, i(shape[0]), i(shape[1]), i(shape[2]), i(shape[3])),
        "cudnnSetFilter4dDescriptor");
    convolution = describe_with(cudnn, f.create_convolution, f.destroy_convolution);
    const Conv2dParams& p = c.params;
    cudnn.check(f.set_convolution(convolution.get(), i(p.pad_h), i(p.pad_w), i(p.stride_h), i(p.stride_w),
                                  i(p.dilation_h), i(p.dilation_w), kCudnnCrossCorrelation, kCudnnFloat),
                "cudnnSetConvolution2dDescriptor");
    cudnn.check(f.set_groups(convolution.get(), i(p.groups)), "cudnnSetConvolutionGroupCount");
    const int math = precision == Precision::fp32 ? kCudnnFmaMath : kCudnnTensorOpMath;
    cudnn.check(f.set_math(convolution.get(), math), "cudnnSetConvolutionMathType");
  }

  static int type(Precision precision) { return precision == Precision::bf16 ? kCudnnBfloat16 : kCudnnFloat; }
  Descriptor tensor(const Shape& s, Precision precision) const {
    const CudnnFunctions& f = cudnn.functions();
    Descriptor d = describe_with(cudnn, f.create_tensor, f.destroy_tensor);
    cudnn.check(f.set_tensor(d.get(), kCudnnNhwc, type(precision), static_cast<int>(s.n), static_cast<int>(s.c),
                             static_cast<int>(s.h), static_cast<int>(s.w)),
                "cudnnSetTensor4dDescriptor");
    return d;
  }

  // False where cuDNN has no algorithm for this layer.
  bool choose_algorithm(Precision precision) {
    constexpr int most = 8;
    const CudnnFunctions& f = cudnn.functions();
    CudnnFunctions::Algorithm found[most] = {};
    int count = 0;
    const int status = backward ? f.backward_algorithms(cudnn.handle(), filter.get(), source.get(), convolution.get(),
                                                        target.get(), most, &count, found)
                                : f.forward_algorithms(cudnn.handle(), source.get(), filter.get(), convolution.get(),
                                                       target.get(), most, &count, found);
    for (int k = 0; status == kCudnnSuccess && k < count; ++k) {
      const bool exact = precision != Precision::fp32 || found[k].math == kCudnnFmaMath;
      if (found[k].status == kCudnnSuccess && found[k].determinism == kCudnnDeterministic && exact &&
          take(found[k])) {
        return true;
      }
    }
    return false;
  }

  bool take(const CudnnFunctions::Algorithm& found) {
    const CudnnFunctions& f = cudnn.functions();
    if (f.set_math(convolution.get(), found.math) != kCudnnSuccess) return false;
    algorithm = found.algorithm;
    const int status = backward ? f.backward_workspace(cudnn.handle(), filter.get(), source.get(), convolution.get(),
                                                       target.get(), algorithm, &workspace)
                                : f.forward_workspace(cudnn.handle(), source.get(), filter.get(), convolution.get(),
                                                      target.get(), algorithm, &workspace);
    return status == kCudnnSuccess && workspace <= most_workspace;
  }

  void run(const void* from, const void* weight, void* to, void* space) const {
    const float one = 1, zero = 0;
    const CudnnFunctions& f = cudnn.functions();
    if (backward) {
      cudnn.check(f.backward(cudnn.handle(), &one, filter.get(), weight, source.get(), from, convolution.get(),
                             algorithm, space, workspace, &zero, target.get(), to),
                  "cudnnConvolutionBackwardData");
    } else {
      cudnn.check(f.forward(cudnn.handle(), &one, source.get(), from, filter.get(), weight, convolution.get(),
                            algorithm, space, workspace, &zero, target.get(), to),
                  "cudnnConvolutionForward");
    }
  }
};

// [O][KH][KW][I/groups], with the epilogue's scale where the gradient goes through it.
template <class T>
std::vector<T> pack_filter(const Convolution& c) {
  const int64_t out = c.weight->shape[0], in = c.weight->shape[1];
  const int64_t taps = c.weight->shape[2] * c.weight->shape[3];
  std::vector<T> packed(static_cast<size_t>(c.weight->count()));
  for (int64_t o = 0; o < out; ++o) {
    const float scale = c.weight_scale ? c.weight_scale->data[static_cast<size_t>(o)] : 1.0f;
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const float value = scale * c.weight->data[static_cast<size_t>((o * in + i) * taps + tap)];
        T& to = packed[static_cast<size_t>((o * taps + tap) * in + i)];
        if constexpr (std::is_same_v<T, float>) {
          to = value;
        } else {
          to = __float2bfloat16_rn(value);
        }
      }
    }
  }
  return packed;
}

template <class T>
Buffer upload_filter(Planner& planner, const Convolution& c) {
  const std::vector<T> packed = pack_filter<T>(c);
  return planner.upload_weights(packed.data(), packed.size() * sizeof(T));
}

bool is_plain(const Source& s) { return !s.relu && !s.scale && !s.shift && s.stride == s.channels; }
bool is_plain(const Finish& f) {
  return !f.scale && !f.shift && !f.mask && !f.residual && !f.relu && !f.gate && f.stride == f.channels;
}

size_t aligned(int64_t bytes) { return (static_cast<size_t>(bytes) + 255) / 256 * 256; }

}  // namespace

Kernel conv2d_cudnn(Planner& planner, const Convolution& c, bool alone) {
  const Cudnn* cudnn = backend_of(planner.context()).cudnn();
  if (!cudnn || c.params.offset_h != 0 || c.params.offset_w != 0) return {};
  const Precision precision = planner.precision();
  auto task = std::make_shared<Task>(*cudnn, c, precision);
  if (!task->choose_algorithm(precision)) return {};

  const bool is_bf16 = precision == Precision::bf16;
  const bool packs = is_bf16 || !is_plain(c.source), finishes = is_bf16 || !is_plain(c.finish);
  const int64_t size = is_bf16 ? 2 : 4;
  const size_t packed = packs ? aligned(size * c.source_shape.count()) : 0;
  const size_t sums = finishes ? aligned(size * c.target_shape.count()) : 0;
  planner.reserve_scratch(packed + sums + task->workspace);
  const Buffer weight = is_bf16 ? upload_filter<bf16>(planner, c) : upload_filter<float>(planner, c);
  return [=, source = c.source, finish = c.finish, from_shape = c.source_shape, to_shape = c.target_shape,
          buffers = c.buffers](Context& context) {
    const cudaStream_t stream = stream_of(context);
    std::byte* scratch = context.scratch();
    const void* from = packs ? static_cast<const void*>(scratch) : source.data.data();
    std::byte* to = finishes ? scratch + packed : reinterpret_cast<std::byte*>(finish.target.data());
    if (packs && !alone) launch_pack(source, from_shape, is_bf16, scratch, stream);
    task->run(from, weight.get(), to, scratch + packed + sums);
    if (!finishes || alone) return;
    is_bf16 ? launch_finish<bf16>(finish, to_shape, to, stream) : launch_finish<float>(finish, to_shape, to, stream);
  };
}

}  // namespace nad::cuda
