// oneDNN 2 and 3 under one interface: only what by_sample_onednn.cpp needs. Version 3 makes a primitive's
// description in one step, version 2 in two.
#pragma once

#include <dlfcn.h>

#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/cpu/isa.h"

namespace nad::cpu {

// oneDNN detects the processor by itself: where NAD_ISA lowers ours it must be told, before its first primitive.
inline void limit_onednn() {
  if (!isa_is_lowered()) return;
  const auto most = best_isa() == Isa::base   ? dnnl::cpu_isa::sse41
                    : best_isa() == Isa::avx2 ? dnnl::cpu_isa::avx2
                                              : dnnl::cpu_isa::avx512_core_bf16;
  [[maybe_unused]] static const auto status = dnnl::set_max_cpu_isa(most);
}

// Where oneDNN is built with OpenMP, what the calling thread asks of it runs on that thread alone. OpenMP is the
// library's affair: the program is not built with it, and looks for it among what the library has brought along.
inline void keep_onednn_on_this_thread() {
  using SetThreads = void (*)(int);
  static const auto set_threads = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
  static thread_local bool told = false;  // OpenMP keeps the number for each thread
  if (set_threads && !told) set_threads(1);
  told = true;
}

// What forward and backward share. Dilation 0 is none.
struct OnednnGeometry {
  dnnl::memory::dims strides, dilations, pad_before, pad_after;
};

inline void append_relu(dnnl::post_ops& ops) {
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.f, 0.f);
#else
  ops.append_eltwise(1.f, dnnl::algorithm::eltwise_relu, 0.f, 0.f);
#endif
}

inline dnnl::convolution_forward::primitive_desc onednn_forward(const dnnl::engine& engine,
                                                                const dnnl::memory::desc& x,
                                                                const dnnl::memory::desc& weight,
                                                                const dnnl::memory::desc& bias,
                                                                const dnnl::memory::desc& y, const OnednnGeometry& g,
                                                                const dnnl::primitive_attr& attributes) {
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind, algorithm, x, weight, bias, y, g.strides, g.dilations, g.pad_before, g.pad_after, attributes};
#else
  const dnnl::convolution_forward::desc desc(kind, algorithm, x, weight, bias, y, g.strides, g.dilations,
                                             g.pad_before, g.pad_after);
  return {desc, attributes, engine};
#endif
}

// hint: the forward convolution, in types of training.
inline dnnl::convolution_backward_data::primitive_desc onednn_backward_data(
    const dnnl::engine& engine, const dnnl::memory::desc& dx, const dnnl::memory::desc& weight,
    const dnnl::memory::desc& dy, const OnednnGeometry& g, const dnnl::primitive_attr& attributes,
    const dnnl::convolution_forward::primitive_desc& hint) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, algorithm, dx, weight, dy, g.strides, g.dilations, g.pad_before, g.pad_after, hint, attributes};
#else
  const dnnl::convolution_backward_data::desc desc(algorithm, dx, weight, dy, g.strides, g.dilations, g.pad_before,
                                                   g.pad_after);
  return {desc, attributes, engine, hint};
#endif
}

}  // namespace nad::cpu
