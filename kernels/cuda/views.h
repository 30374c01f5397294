// Global and shared memory on the device: pointers with names. Nothing here costs an instruction; the versions that
// check are in tests/host_cuda. What the functions mean is said in device.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

namespace nad::cuda {

// `count` data of T in device memory, from p on. The device keeps the pointer only.
template <class T>
class Global {
 public:
  Global() = default;
  __host__ __device__ Global(T* p, int64_t) : data_(p) {}
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  __host__ __device__ Global(const Global<U>& other) : data_(other.data()) {}

  template <class Index>
  __device__ T& operator[](Index i) const {
    return data_[i];
  }
  template <class Index>
  __device__ Global operator+(Index i) const {
    return Global(data_ + i, 0);
  }
  __host__ __device__ explicit operator bool() const { return data_ != nullptr; }
  __host__ __device__ T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

// The same in the block's shared memory.
template <class T>
class Shared {
 public:
  Shared() = default;
  __device__ Shared(T* p, int64_t) : data_(p) {}
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  __device__ Shared(const Shared<U>& other) : data_(other.data()) {}

  template <class Index>
  __device__ T& operator[](Index i) const {
    return data_[i];
  }
  template <class Index>
  __device__ Shared operator+(Index i) const {
    return Shared(data_ + i, 0);
  }
  __device__ T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

template <class V, class T, class Index>
__device__ inline V load(const Global<T>& x, Index i) {
  return *reinterpret_cast<const V*>(x.data() + i);
}
template <class V, class T, class Index>
__device__ inline V load(const Shared<T>& x, Index i) {
  return *reinterpret_cast<const V*>(x.data() + i);
}

// Through the read-only path. PRECOND: nobody writes this memory while the kernel runs. V is a type __ldg takes.
template <class V, class T, class Index>
__device__ inline V load_readonly(const Global<T>& x, Index i) {
  return __ldg(reinterpret_cast<const V*>(x.data() + i));
}

template <class T, class Index, class V>
__device__ inline void store(const Global<T>& x, Index i, const V& value) {
  *reinterpret_cast<V*>(x.data() + i) = value;
}
template <class T, class Index, class V>
__device__ inline void store(const Shared<T>& x, Index i, const V& value) {
  *reinterpret_cast<V*>(x.data() + i) = value;
}

// The same memory as data of another type, from the same first byte.
template <class U, class T>
__device__ inline Global<U> view_as(const Global<T>& x) {
  return Global<U>(reinterpret_cast<U*>(x.data()), 0);
}
template <class U, class T>
__device__ inline Shared<U> view_as(const Shared<T>& x) {
  return Shared<U>(reinterpret_cast<U*>(x.data()), 0);
}

// The launch's dynamic shared memory, from byte_offset (a multiple of T's alignment) on, as `count` data of T.
template <class T>
__device__ inline Shared<T> dynamic_shared(int64_t byte_offset, int64_t count) {
  extern __shared__ __align__(128) unsigned char nad_dynamic_shared[];
  return Shared<T>(reinterpret_cast<T*>(nad_dynamic_shared + byte_offset), count);
}

// View is Global or Shared; the value converts to the view's element type.
template <template <class> class View, class T, class Index>
__device__ inline T atomic_add(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomicAdd(x.data() + i, value);
}
template <template <class> class View, class T, class Index>
__device__ inline T atomic_max(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomicMax(x.data() + i, value);
}
template <template <class> class View, class T, class Index>
__device__ inline T atomic_min(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomicMin(x.data() + i, value);
}
template <template <class> class View, class T, class Index>
__device__ inline T atomic_exchange(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomicExch(x.data() + i, value);
}
template <template <class> class View, class T, class Index>
__device__ inline T atomic_cas(const View<T>& x, Index i, std::type_identity_t<T> expected,
                               std::type_identity_t<T> value) {
  return atomicCAS(x.data() + i, expected, value);
}

}  // namespace nad::cuda

// A shared array of `count` (a constant) data of T, as the Shared<T> `name`; aligned for 16-byte accesses.
#define NAD_SHARED(T, name, count)               \
  __shared__ alignas(16) T name##_memory[count]; \
  const ::nad::cuda::Shared<T> name(name##_memory, count)
