// Tensor-core and copy instructions, emulated. What they do and the fragment layouts: kernels/cuda/mma.h.
//
// Products are exact and summed in double precision, then added to d and rounded once: within the bound of any order
// the hardware may take. tf32 operands lose their low 13 bits, as there.
#pragma once

#include <cstdint>

#include "host_cuda/views.h"

namespace host_cuda {

struct MmaArguments {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};
void resolve_mma_bf16(Warp& warp);
void resolve_mma_tf32(Warp& warp);

// The 16 bytes of each lane's row were checked and copied before the warp meets.
struct MatrixArguments {
  uint16_t row[8];
  uint32_t* r;
};
void resolve_ldmatrix(Warp& warp);
void resolve_ldmatrix_trans(Warp& warp);

uint32_t to_tf32(float value);

// source: null for zeros.
void copy_async(const char* name, size_t target, const void* source, unsigned bytes);
void copy_commit();
void copy_wait(size_t pending);

}  // namespace host_cuda

namespace nad::cuda {

inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                              const host_cuda::Site& site = host_cuda::Site::current()) {
  host_cuda::MmaArguments arguments{d, a, b};
  host_cuda::collective("mma_m16n8k16_bf16", 0xffffffffu, &arguments, host_cuda::resolve_mma_bf16, site);
}

inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                             const host_cuda::Site& site = host_cuda::Site::current()) {
  host_cuda::MmaArguments arguments{d, a, b};
  host_cuda::collective("mma_m16n8k8_tf32", 0xffffffffu, &arguments, host_cuda::resolve_mma_tf32, site);
}

inline uint32_t to_tf32(float value) { return host_cuda::to_tf32(value); }

namespace detail {
struct alignas(16) MatrixRow {
  uint16_t data[8];
};
template <class T>
void load_matrices(const char* operation, const Shared<T>& x, int64_t i, uint32_t (&r)[4], host_cuda::Resolve resolve,
                   const host_cuda::Site& site) {
  static_assert(sizeof(T) == 2, "ldmatrix moves 16-bit data");
  const auto row = x.template read<MatrixRow>(i);
  host_cuda::MatrixArguments arguments{{}, r};
  for (int k = 0; k < 8; ++k) arguments.row[k] = row.data[k];
  host_cuda::collective(operation, 0xffffffffu, &arguments, resolve, site);
}

template <class Bytes, class T>
void copy_async(const Shared<T>& target, int64_t i, const Global<const T>& source, int64_t j, bool valid) {
  const Bytes* from = valid ? reinterpret_cast<const Bytes*>(source.template address<Bytes>(j, false)) : nullptr;
  const size_t to = target.template place<Bytes>(i, true);
  host_cuda::copy_async(target.name(), to, from, sizeof(Bytes));
}
}  // namespace detail

template <class T, class Index>
void ldmatrix_x4(const Shared<T>& x, Index i, uint32_t (&r)[4],
                 const host_cuda::Site& site = host_cuda::Site::current()) {
  detail::load_matrices("ldmatrix_x4", x, static_cast<int64_t>(i), r, host_cuda::resolve_ldmatrix, site);
}
template <class T, class Index>
void ldmatrix_x4_trans(const Shared<T>& x, Index i, uint32_t (&r)[4],
                       const host_cuda::Site& site = host_cuda::Site::current()) {
  detail::load_matrices("ldmatrix_x4_trans", x, static_cast<int64_t>(i), r, host_cuda::resolve_ldmatrix_trans, site);
}

template <class T, class Index, class Offset>
void cp_async_16(const Shared<T>& target, Index i, const Global<const T>& source, Offset j) {
  detail::copy_async<uint4>(target, static_cast<int64_t>(i), source, static_cast<int64_t>(j), true);
}
template <class T, class Index, class Offset>
void cp_async_16_or_zero(const Shared<T>& target, Index i, const Global<const T>& source, Offset j, bool valid) {
  detail::copy_async<uint4>(target, static_cast<int64_t>(i), source, static_cast<int64_t>(j), valid);
}
template <int Bytes, class T, class Index, class Offset>
void cp_async_or_zero(const Shared<T>& target, Index i, const Global<const T>& source, Offset j, bool valid) {
  static_assert(Bytes == 4 || Bytes == 8);
  detail::copy_async<std::conditional_t<Bytes == 4, unsigned, uint2>>(target, static_cast<int64_t>(i), source,
                                                                      static_cast<int64_t>(j), valid);
}
inline void cp_async_commit() { host_cuda::copy_commit(); }
template <int Pending>
void cp_async_wait() {
  host_cuda::copy_wait(Pending);
}

}  // namespace nad::cuda
