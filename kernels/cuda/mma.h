// Tensor cores, matrix loads and asynchronous copies: one PTX instruction each, sm_80 and later. tests/host_cuda has
// the same functions emulated lane by lane. All 32 lanes of a warp call the mma and ldmatrix functions together.
//
// Fragment layouts (PTX ISA, "Matrix fragments for mma.m16n8k16 / m16n8k8"), with g = lane / 4, t = lane % 4:
//   A    [16, 16] bf16: a[0] = (g, 2t..2t+1), a[1] = (g+8, 2t..2t+1), a[2] = (g, 2t+8..+9), a[3] = (g+8, 2t+8..+9)
//   B    [16, 8]  bf16: b[0] = (2t..2t+1, g), b[1] = (2t+8..2t+9, g)
//   A    [16, 8]  tf32: a[0] = (g, t),        a[1] = (g+8, t),        a[2] = (g, t+4),        a[3] = (g+8, t+4)
//   B    [8, 8]   tf32: b[0] = (t, g),        b[1] = (t+4, g)
//   C, D [16, 8]  fp32: d[0..1] = (g, 2t..2t+1), d[2..3] = (g+8, 2t..2t+1)
// Of two bf16 in a register the one with the lower index is in the lower half.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"

#if defined(NAD_HOST_CUDA)
#include "host_cuda/tensor.h"
#else

namespace nad::cuda {

// d += A B, products of bf16, sums in fp32.
__device__ inline void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// d += A B, products of tf32 (the low 13 bits of a and b do not count: round with to_tf32), sums in fp32.
__device__ inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Rounded to tf32 (10 bits of mantissa, ties away from zero), as the bits of a float.
__device__ inline uint32_t to_tf32(float value) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

namespace detail {
__device__ inline uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
}  // namespace detail

// Four 8x8 matrices of 16-bit data from shared memory. Lane l gives row l % 8 of matrix l / 8: 16 bytes from element
// i of x on, 16-byte aligned. Afterwards r[m] of lane l holds elements (l/4, 2(l%4)) and the next one of matrix m.
template <class T, class Index>
__device__ inline void ldmatrix_x4(const Shared<T>& x, Index i, uint32_t (&r)[4]) {
  static_assert(sizeof(T) == 2, "ldmatrix moves 16-bit data");
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(detail::shared_address(x.data() + i))
               : "memory");
}

// The same, every matrix transposed: r[m] of lane l holds elements (2(l%4), l/4) and (2(l%4) + 1, l/4).
template <class T, class Index>
__device__ inline void ldmatrix_x4_trans(const Shared<T>& x, Index i, uint32_t (&r)[4]) {
  static_assert(sizeof(T) == 2, "ldmatrix moves 16-bit data");
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(detail::shared_address(x.data() + i))
               : "memory");
}

// Starts copying 16 bytes (both ends 16-byte aligned) from element j of source to element i of target, past L1.
template <class T, class Index, class Offset>
__device__ inline void cp_async_16(const Shared<T>& target, Index i, const Global<const T>& source, Offset j) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(detail::shared_address(target.data() + i)),
               "l"(source.data() + j)
               : "memory");
}

// The same where `valid`, else 16 bytes of zeros; then nothing is read, whatever j is.
template <class T, class Index, class Offset>
__device__ inline void cp_async_16_or_zero(const Shared<T>& target, Index i, const Global<const T>& source, Offset j,
                                           bool valid) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(detail::shared_address(target.data() + i)),
               "l"(source.data() + (valid ? j : 0)), "r"(bytes)
               : "memory");
}

// Bytes = 4 or 8, through L1, for data whose rows are not 16-byte aligned.
template <int Bytes, class T, class Index, class Offset>
__device__ inline void cp_async_or_zero(const Shared<T>& target, Index i, const Global<const T>& source, Offset j,
                                        bool valid) {
  static_assert(Bytes == 4 || Bytes == 8);
  const int bytes = valid ? Bytes : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(detail::shared_address(target.data() + i)),
               "l"(source.data() + (valid ? j : 0)), "n"(Bytes), "r"(bytes)
               : "memory");
}

// Closes the group of the copies that this thread started since the last commit.
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most Pending of this thread's newest groups are under way. The data are then visible to this thread;
// to the block after a __syncthreads.
template <int Pending>
__device__ inline void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

}  // namespace nad::cuda
#endif
