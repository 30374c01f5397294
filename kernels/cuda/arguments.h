// From the arguments of engine/ops.h to the arguments of kernels: views with their lengths, parameters on the device,
// V channels at a time, and the epilogue that forward ops share.
//
// V = 4 where every channel group of four is one aligned 16-byte access, else V = 1.
#pragma once

#include <initializer_list>
#include <string>

#include "engine/context.h"
#include "engine/error.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/epilogue.h"

namespace nad::cuda {

// ---- host side ---------------------------------------------------------------------------------------------------
// All of a view: element c of pixel p is at [p * stride + c].
template <class T>
Global<T> global(const View<T>& view) {
  return view ? Global<T>(view.data, (view.shape.pixels() - 1) * view.stride + view.shape.c) : Global<T>();
}
template <class T>
Global<T> global(T* data, int64_t count) {
  return data ? Global<T>(data, count) : Global<T>();
}

// A parameter in device memory; the kernel keeps it, so that the buffer lives as long as the kernel.
struct DeviceParam {
  Buffer buffer;
  int64_t count = 0;
  Global<const float> view() const {
    return global(static_cast<const float*>(static_cast<const void*>(buffer.get())), count);
  }
};
inline DeviceParam device_param(Planner& planner, const Param& param) {
  if (!param) return {};
  return {planner.upload_weights(param->data.data(), param->data.size() * sizeof(float)), param->count()};
}

// The table of a gate over C channels; the gradient of its multipliers lies in memory alike.
inline int64_t table_length(const GateRef& gate, int64_t channels) {
  return (gate.rows - 1) * gate.stride + channels;
}
inline Global<const float> global(const GateRef& gate, int64_t channels) {
  return gate ? Global<const float>(gate.table, table_length(gate, channels)) : Global<const float>();
}

// True where four channels of this pixel are one aligned access.
inline bool aligned16(const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }
template <class T>
bool by_four(const View<T>& view) {
  return !view || (aligned16(view.data) && view.stride % 4 == 0 && view.shape.c % 4 == 0);
}
inline bool by_four(const GateRef& gate) { return !gate || (aligned16(gate.table) && gate.stride % 4 == 0); }

// Number of threads and blocks for one item per thread, samples in y (a kernel loops over what exceeds the grid's y).
constexpr int item_threads = 256;
inline Grid item_grid(int64_t items, int64_t samples,
                      const std::source_location& where = std::source_location::current()) {
  constexpr int64_t most = int64_t{1} << 31;  // items are counted in 32 bits, samples and planes in 64
  if (items >= most) {
    throw Error(ErrorKind::device,
                "CUDA: a sample has " + std::to_string(items) + " items, at most 2^31 - 1 are possible",
                "use a smaller input size");
  }
  return Grid(blocks_for(items, item_threads), samples < 65535 ? samples : 65535, 1, where);
}

// ---- device side -------------------------------------------------------------------------------------------------
// V adjacent floats.
template <int V>
struct Pack {
  float v[V];
};
template <int V, class T, class Index>
__device__ inline Pack<V> load_pack(const Global<T>& x, Index i) {
  Pack<V> r;
  if constexpr (V == 4) {
    const float4 q = load<float4>(x, i);
    r.v[0] = q.x, r.v[1] = q.y, r.v[2] = q.z, r.v[3] = q.w;
  } else {
    r.v[0] = x[i];
  }
  return r;
}
template <int V, class Index>
__device__ inline void store_pack(const Global<float>& x, Index i, const Pack<V>& r) {
  if constexpr (V == 4) {
    store(x, i, make_float4(r.v[0], r.v[1], r.v[2], r.v[3]));
  } else {
    x[i] = r.v[0];
  }
}
// (+)=
template <int V, class Index>
__device__ inline void put_pack(const Global<float>& x, Index i, Pack<V> r, bool add) {
  if (add) {
    const Pack<V> old = load_pack<V>(x, i);
    for (int k = 0; k < V; ++k) r.v[k] += old.v[k];
  }
  store_pack<V>(x, i, r);
}

template <int V>
__device__ inline Pack<V> filled(float value) {
  Pack<V> r;
  for (int k = 0; k < V; ++k) r.v[k] = value;
  return r;
}

// max(z, 0) that lets NaN through.
__device__ inline float relu(float z) { return z < 0.0f ? 0.0f : z; }

// One item of a plane: V channels from c on of pixel `pixel`; PRECOND: item < pixels * (channels / V).
template <int V>
struct Item {
  int64_t pixel;
  int c;
  __device__ Item(unsigned item, int channels) {
    const unsigned groups = static_cast<unsigned>(channels / V);
    pixel = item / groups;
    c = static_cast<int>(item % groups) * V;
  }
};

template <int V>
__device__ inline Pack<V> relu(Pack<V> z) {
  for (int k = 0; k < V; ++k) z.v[k] = relu(z.v[k]);
  return z;
}

// The signs of multiply_add are exact: it rounds once.
template <int V>
struct PackMath {
  __device__ static Pack<V> multiply_add(const Pack<V>& a, const Pack<V>& b, Pack<V> c) {
    for (int k = 0; k < V; ++k) c.v[k] = fmaf(a.v[k], b.v[k], c.v[k]);
    return c;
  }
  __device__ static Pack<V> add(Pack<V> a, const Pack<V>& b) {
    for (int k = 0; k < V; ++k) a.v[k] += b.v[k];
    return a;
  }
  __device__ static Pack<V> multiply(Pack<V> a, const Pack<V>& b) {
    for (int k = 0; k < V; ++k) a.v[k] *= b.v[k];
    return a;
  }
  __device__ static Pack<V> keep_where_positive(const Pack<V>& test, Pack<V> v) {
    for (int k = 0; k < V; ++k) v.v[k] = test.v[k] > 0.0f ? v.v[k] : 0.0f;
    return v;
  }
};

#define NAD_EPILOGUE_FUNCTION __device__ inline
#include "kernels/epilogue_order.h"
#undef NAD_EPILOGUE_FUNCTION

// An epilogue on the device, of elementwise, pooling and linear ops.
struct DeviceEpilogue : EpilogueFields<Global> {
  // V channels from c on of pixel number `pixel` of all samples; gate_at: where the sample's row of the gate begins.
  template <int V>
  struct Part {
    using Math = PackMath<V>;
    using F = Pack<V>;
    static constexpr bool kMaskable = false;
    const DeviceEpilogue& e;
    int64_t pixel;
    int c;
    int64_t gate_at;

    __device__ bool is_affine() const { return e.scale || e.shift; }
    __device__ bool has_residual() const { return bool(e.residual); }
    __device__ bool has_relu() const { return e.relu; }
    __device__ bool has_gate() const { return bool(e.gate); }
    __device__ F scale() const { return e.scale ? load_pack<V>(e.scale, c) : filled<V>(1.0f); }
    __device__ F shift() const { return e.shift ? load_pack<V>(e.shift, c) : filled<V>(0.0f); }
    __device__ F residual() const { return load_pack<V>(e.residual, pixel * e.residual_stride + c); }
    __device__ F relu(const F& z) const { return cuda::relu(z); }
    __device__ F gate() const { return load_pack<V>(e.gate, gate_at + c); }
  };

  __device__ int64_t gate_at(int64_t n) const {
    if (!gate) return 0;
    const int32_t r = gate_row[n];
    return r * gate_stride;
  }
  template <int V>
  __device__ void apply(Pack<V>& z, int64_t pixel, int c, int64_t gate_begin) const {
    z = apply_epilogue(Part<V>{*this, pixel, c, gate_begin}, z);
  }
};

// The epilogue of an op with output y; `keep` holds its parameters.
struct EpilogueParams {
  DeviceParam scale, shift;
};
inline EpilogueParams epilogue_params(Planner& planner, const Epilogue& e) {
  return {device_param(planner, e.scale), device_param(planner, e.shift)};
}
inline DeviceEpilogue device_epilogue(const Epilogue& e, const EpilogueParams& params, const Shape& y) {
  DeviceEpilogue d;
  d.scale = params.scale.view();
  d.shift = params.shift.view();
  d.residual = global(e.residual);
  d.residual_stride = e.residual.stride;
  d.gate = global(e.gate, y.c);
  d.gate_stride = e.gate.stride;
  d.gate_row = global(e.gate.row, y.n);
  d.relu = e.relu;
  return d;
}
inline bool by_four(const Epilogue& e) { return by_four(e.residual) && by_four(e.gate); }

}  // namespace nad::cuda
