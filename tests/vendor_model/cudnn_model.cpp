// libcudnn_model.so: see model.h. Tensors and filters are NHWC, convolutions cross-correlations, or it refuses.
#include "model.h"

using namespace vendor_model;

namespace {

struct Handle {
  cudaStream_t stream = nullptr;
};
struct Tensor {  // a filter: n = outputs, c = inputs per group
  int type = -1, n = 0, c = 0, h = 0, w = 0;
  size_t count() const { return static_cast<size_t>(n) * c * h * w; }
  size_t bytes() const { return count() * size_of(type); }
  size_t at(int in, int ic, int ih, int iw) const { return ((static_cast<size_t>(in) * h + ih) * w + iw) * c + ic; }
};
struct Convolution {
  int pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1, groups = 1, math = 0;
};
struct Found {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math;
  int reserved[3];
};

constexpr int float_type = 0, bf16_type = 9, nhwc = 1;
constexpr int tensor_op_math = 1, fma_math = 3;
constexpr int good_forward = 6, good_backward = 1;  // the algorithms that run; the others must not be asked for
constexpr size_t workspace_bytes = 1000;

const Tensor& tensor(void* p) { return *static_cast<Tensor*>(p); }

int extent(int in, int pad, int dilation, int kernel, int stride) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

bool fits(const Tensor& x, const Tensor& filter, const Convolution& c, const Tensor& y) {
  return x.type == filter.type && y.type == x.type && x.n == y.n && y.c == filter.n && x.c == filter.c * c.groups &&
         filter.n % c.groups == 0 && y.h == extent(x.h, c.pad_h, c.dilation_h, filter.h, c.stride_h) &&
         y.w == extent(x.w, c.pad_w, c.dilation_w, filter.w, c.stride_w);
}

// visit(x element, filter element, y element) for every product
template <class Visit>
void each_product(const Tensor& x, const Tensor& filter, const Convolution& c, const Tensor& y, Visit&& visit) {
  const int outputs = filter.n / c.groups;
  for (int n = 0; n < y.n; ++n)
    for (int oh = 0; oh < y.h; ++oh)
      for (int ow = 0; ow < y.w; ++ow)
        for (int o = 0; o < y.c; ++o)
          for (int kh = 0; kh < filter.h; ++kh)
            for (int kw = 0; kw < filter.w; ++kw) {
              const int h = oh * c.stride_h - c.pad_h + kh * c.dilation_h;
              const int w = ow * c.stride_w - c.pad_w + kw * c.dilation_w;
              if (h < 0 || h >= x.h || w < 0 || w >= x.w) continue;
              for (int i = 0; i < filter.c; ++i)
                visit(x.at(n, o / outputs * filter.c + i, h, w), filter.at(o, i, kh, kw), y.at(n, o, oh, ow));
            }
}

// What heuristics may return, best first: only one of them may be taken.
int heuristics(const Convolution& c, int type, int good, int most, int* count, Found* found) {
  if (misbehaves("no algorithm")) return not_supported;
  const int right = type == float_type && c.math == fma_math ? fma_math : tensor_op_math;
  const Found list[] = {{good + 1, not_supported, 0, 0, 1, right, {}},          // failed
                        {good + 2, success, 0, 0, 0, right, {}},                // not deterministic
                        {good + 3, success, 0, size_t{1} << 40, 1, right, {}},  // wants too much
                        {good, success, 0, workspace_bytes, 1, right, {}}};
  *count = 0;
  for (const Found& f : list) {
    if (*count < most) found[(*count)++] = f;
  }
  return success;
}

int workspace(int algorithm, int good, size_t* bytes) {
  *bytes = algorithm == good ? workspace_bytes : size_t{1} << 40;
  return success;
}

// Sums of the products into `to`, one per element of `result`.
int run(const Handle& handle, const Tensor& result, void* to, void* space, size_t space_bytes, float beta,
        std::function<void(std::vector<double>&)> add_products) {
  if (misbehaves("no run")) return not_supported;
  if (space_bytes < workspace_bytes || !is_device_memory(space, space_bytes) || beta != 0) return bad_parameter;
  if (!is_device_memory(to, result.bytes())) return bad_parameter;
  return enqueue(handle.stream, [=] {
    std::memset(space, 0xff, space_bytes);
    std::vector<double> sums(result.count());
    add_products(sums);
    for (size_t i = 0; i < sums.size(); ++i) write(to, result.type, i, static_cast<float>(sums[i]));
  });
}

template <class T>
int create(void** p) {
  *p = new T;
  return success;
}
template <class T>
int destroy(void* p) {
  delete static_cast<T*>(p);
  return success;
}

int set(void* p, const Tensor& value, int format) {
  const bool good = format == nhwc && (value.type == float_type || value.type == bf16_type) && value.n > 0 &&
                    value.c > 0 && value.h > 0 && value.w > 0;
  if (!good) return bad_parameter;
  *static_cast<Tensor*>(p) = value;
  return success;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return misbehaves("old") ? 8907 : 91900; }
const char* cudnnGetErrorString(int status) {
  return status == not_supported ? "CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS_OF_THE_MODEL";
}
void cudnnGetLastErrorString(char* message, size_t size) {
  std::strncpy(message, "the model refuses\nsecond line", size);
}
int cudnnCreate(void** handle) { return misbehaves("no handle") ? failed : create<Handle>(handle); }
int cudnnDestroy(void* handle) { return destroy<Handle>(handle); }
int cudnnSetStream(void* handle, cudaStream_t stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return success;
}
int cudnnCreateTensorDescriptor(void** p) { return create<Tensor>(p); }
int cudnnDestroyTensorDescriptor(void* p) { return destroy<Tensor>(p); }
int cudnnSetTensor4dDescriptor(void* p, int format, int type, int n, int c, int h, int w) {
  return set(p, {type, n, c, h, w}, format);
}
int cudnnCreateFilterDescriptor(void** p) { return create<Tensor>(p); }
int cudnnDestroyFilterDescriptor(void* p) { return destroy<Tensor>(p); }
int cudnnSetFilter4dDescriptor(void* p, int type, int format, int k, int c, int h, int w) {
  return set(p, {type, k, c, h, w}, format);
}
int cudnnCreateConvolutionDescriptor(void** p) { return create<Convolution>(p); }
int cudnnDestroyConvolutionDescriptor(void* p) { return destroy<Convolution>(p); }
int cudnnSetConvolution2dDescriptor(void* p, int pad_h, int pad_w, int stride_h, int stride_w, int dilation_h,
                                    int dilation_w, int mode, int type) {
  if (mode != 1 || type != float_type) return bad_parameter;
  *static_cast<Convolution*>(p) = {pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, 1, 0};
  return success;
}
int cudnnSetConvolutionGroupCount(void* p, int groups) {
  static_cast<Convolution*>(p)->groups = groups;
  return success;
}
int cudnnSetConvolutionMathType(void* p, int math) {
  static_cast<Convolution*>(p)->math = math;
  return success;
}

int cudnnGetConvolutionForwardAlgorithm_v7(void*, void* x, void* filter, void* convolution, void* y, int most,
                                           int* count, Found* found) {
  const Convolution& c = *static_cast<Convolution*>(convolution);
  if (!fits(tensor(x), tensor(filter), c, tensor(y))) return bad_parameter;
  return heuristics(c, tensor(x).type, good_forward, most, count, found);
}
int cudnnGetConvolutionForwardWorkspaceSize(void*, void*, void*, void*, void*, int algorithm, size_t* bytes) {
  return workspace(algorithm, good_forward, bytes);
}
int cudnnConvolutionForward(void* handle, const void* alpha, void* xd, const void* x, void* fd, const void* filter,
                            void* convolution, int algorithm, void* space, size_t space_bytes, const void* beta,
                            void* yd, void* y) {
  const Convolution c = *static_cast<Convolution*>(convolution);
  const Tensor xt = tensor(xd), ft = tensor(fd), yt = tensor(yd);
  const bool good = algorithm == good_forward && *static_cast<const float*>(alpha) == 1 && fits(xt, ft, c, yt) &&
                    is_device_memory(x, xt.bytes()) && is_device_memory(filter, ft.bytes());
  if (!good) return bad_parameter;
  return run(*static_cast<Handle*>(handle), yt, y, space, space_bytes, *static_cast<const float*>(beta),
             [=](std::vector<double>& sums) {
               each_product(xt, ft, c, yt, [&](size_t xi, size_t fi, size_t yi) {
                 sums[yi] +=
                     static_cast<double>(read(x, xt.type, xi)) * static_cast<double>(read(filter, ft.type, fi));
               });
             });
}

int cudnnGetConvolutionBackwardDataAlgorithm_v7(void*, void* filter, void* dy, void* convolution, void* dx, int most,
                                                int* count, Found* found) {
  const Convolution& c = *static_cast<Convolution*>(convolution);
  if (!fits(tensor(dx), tensor(filter), c, tensor(dy))) return bad_parameter;
  return heuristics(c, tensor(dx).type, good_backward, most, count, found);
}
int cudnnGetConvolutionBackwardDataWorkspaceSize(void*, void*, void*, void*, void*, int algorithm, size_t* bytes) {
  return workspace(algorithm, good_backward, bytes);
}
int cudnnConvolutionBackwardData(void* handle, const void* alpha, void* fd, const void* filter, void* dyd,
                                 const void* dy, void* convolution, int algorithm, void* space, size_t space_bytes,
                                 const void* beta, void* dxd, void* dx) {
  const Convolution c = *static_cast<Convolution*>(convolution);
  const Tensor xt = tensor(dxd), ft = tensor(fd), yt = tensor(dyd);
  const bool good = algorithm == good_backward && *static_cast<const float*>(alpha) == 1 && fits(xt, ft, c, yt) &&
                    is_device_memory(dy, yt.bytes()) && is_device_memory(filter, ft.bytes());
  if (!good) return bad_parameter;
  return run(*static_cast<Handle*>(handle), xt, dx, space, space_bytes, *static_cast<const float*>(beta),
             [=](std::vector<double>& sums) {
               each_product(xt, ft, c, yt, [&](size_t xi, size_t fi, size_t yi) {
                 sums[xi] +=
                     static_cast<double>(read(dy, yt.type, yi)) * static_cast<double>(read(filter, ft.type, fi));
               });
             });
}

}  // extern "C"
