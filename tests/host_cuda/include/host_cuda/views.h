// Global and Shared, checked. The device's versions and the
// meaning of every function: kernels/cuda/views.h, device.h.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "host_cuda/memory.h"
#include "host_cuda/shared.h"

namespace nad::cuda {

// What x[i] is: read when it converts to T, written when it is assigned.
template <class View>
class Reference {
 public:
  using T = typename View::element;
  using Value = std::remove_const_t<T>;
  Reference(const View& view, int64_t i) : view_(view), i_(i) {}
  Reference(const Reference&) = delete;
  operator Value() const { return view_.template read<Value>(i_); }
  const Reference& operator=(const Value& value) const {
    view_.write(i_, value);
    return *this;
  }
  const Reference& operator=(const Reference& other) const { return *this = static_cast<Value>(other); }
  const Reference& operator+=(const Value& v) const { return *this = static_cast<Value>(*this) + v; }
  const Reference& operator-=(const Value& v) const { return *this = static_cast<Value>(*this) - v; }
  const Reference& operator*=(const Value& v) const { return *this = static_cast<Value>(*this) * v; }
  const Reference& operator/=(const Value& v) const { return *this = static_cast<Value>(*this) / v; }
  const Reference& operator|=(const Value& v) const { return *this = static_cast<Value>(*this) | v; }
  const Reference& operator&=(const Value& v) const { return *this = static_cast<Value>(*this) & v; }

 private:
  const View view_;
  int64_t i_;
};

template <class T>
class Global {
 public:
  using element = T;
  Global() = default;
  Global(T* p, int64_t count) : begin_(p), count_(count), allocation_(p ? host_cuda::find_allocation(p) : nullptr) {}
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  Global(const Global<U>& other)
      : begin_(other.begin_), count_(other.count_), first_(other.first_), allocation_(other.allocation_) {}

  template <class Index>
  Reference<Global> operator[](Index i) const {
    return Reference<Global>(*this, static_cast<int64_t>(i));
  }
  template <class Index>
  Global operator+(Index i) const {
    Global moved = *this;
    moved.first_ += static_cast<int64_t>(i);
    return moved;
  }
  explicit operator bool() const { return begin_ != nullptr; }
  T* data() const { return begin_ + first_; }
  int64_t remaining() const { return count_ - first_; }

  template <class V>
  V read(int64_t i) const {
    V value;
    const T* p = address<V>(i, false);
    allocation_->check_read(p, sizeof(V), sizeof(T));
    std::memcpy(&value, p, sizeof(V));
    return value;
  }
  template <class V>
  void write(int64_t i, const V& value) const {
    static_assert(!std::is_const_v<T>, "this view is read-only");
    T* p = address<V>(i, true);
    allocation_->mark_written(p, sizeof(V));
    std::memcpy(p, &value, sizeof(V));
  }
  T* atomic(int64_t i) const {
    T* p = address<T>(i, true);
    allocation_->check_read(p, sizeof(T), sizeof(T));
    return p;
  }
  // Checked for an access of V at element i: bounds, alignment, device memory.
  template <class V>
  T* address(int64_t i, bool write) const {
    static_assert(std::is_trivially_copyable_v<V> && sizeof(V) % sizeof(T) == 0);
    host_cuda::this_lane("an access to global memory");
    const int64_t at = first_ + i;
    if (at < 0 || at + static_cast<int64_t>(sizeof(V) / sizeof(T)) > count_) {
      host_cuda::fail_bounds("global", "a view", write, at, sizeof(V), count_, sizeof(T));
    }
    T* p = begin_ + at;
    if (!allocation_)
      host_cuda::defect(cudaErrorIllegalAddress, "a view of memory that is not the device's is used in a kernel");
    if (reinterpret_cast<uintptr_t>(p) % alignof(V) != 0) {
      host_cuda::defect(cudaErrorMisalignedAddress, "global memory: access of " + std::to_string(sizeof(V)) +
                                                        " bytes at element " + std::to_string(at) +
                                                        ", whose address is not a multiple of " +
                                                        std::to_string(alignof(V)));
    }
    return p;
  }

 private:
  template <class U>
  friend class Global;
  T* begin_ = nullptr;
  int64_t count_ = 0, first_ = 0;
  host_cuda::Allocation* allocation_ = nullptr;
};

template <class T>
class Shared {
 public:
  using element = T;
  Shared() = default;
  Shared(const char* name, size_t offset, int64_t count) : name_(name), offset_(offset), count_(count) {}
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  Shared(const Shared<U>& other)
      : name_(other.name_), offset_(other.offset_), count_(other.count_), first_(other.first_) {}

  template <class Index>
  Reference<Shared> operator[](Index i) const {
    return Reference<Shared>(*this, static_cast<int64_t>(i));
  }
  template <class Index>
  Shared operator+(Index i) const {
    Shared moved = *this;
    moved.first_ += static_cast<int64_t>(i);
    return moved;
  }

  template <class V>
  V read(int64_t i) const {
    V value;
    const size_t offset = place<V>(i, false);
    const void* p = host_cuda::shared_access(name_, offset, sizeof(V), alignof(V), host_cuda::Access::read, nullptr);
    std::memcpy(&value, p, sizeof(V));
    return value;
  }
  template <class V>
  void write(int64_t i, const V& value) const {
    static_assert(!std::is_const_v<T>, "this view is read-only");
    const size_t offset = place<V>(i, true);
    void* p = host_cuda::shared_access(name_, offset, sizeof(V), alignof(V), host_cuda::Access::write, &value);
    std::memcpy(p, &value, sizeof(V));
  }
  T* atomic(int64_t i) const {
    const size_t offset = place<T>(i, true);
    return static_cast<T*>(
        host_cuda::shared_access(name_, offset, sizeof(T), alignof(T), host_cuda::Access::atomic, nullptr));
  }
  // Byte offset of element i in the block's shared memory, checked for an access of V.
  template <class V>
  size_t place(int64_t i, bool write) const {
    static_assert(std::is_trivially_copyable_v<V> && sizeof(V) % sizeof(T) == 0);
    host_cuda::this_lane("an access to shared memory");
    const int64_t at = first_ + i;
    if (at < 0 || at + static_cast<int64_t>(sizeof(V) / sizeof(T)) > count_) {
      host_cuda::fail_bounds("shared", name_, write, at, sizeof(V), count_, sizeof(T));
    }
    return offset_ + static_cast<size_t>(at) * sizeof(T);
  }
  const char* name() const { return name_; }
  // For view_as: what is left of the array from here on.
  size_t begin_offset() const { return offset_ + static_cast<size_t>(first_) * sizeof(T); }
  int64_t remaining() const { return count_ - first_; }

 private:
  template <class U>
  friend class Shared;
  const char* name_ = "a shared array";
  size_t offset_ = 0;
  int64_t count_ = 0, first_ = 0;
};

template <class V, class T, class Index>
V load(const Global<T>& x, Index i) {
  return x.template read<V>(static_cast<int64_t>(i));
}
template <class V, class T, class Index>
V load(const Shared<T>& x, Index i) {
  return x.template read<V>(static_cast<int64_t>(i));
}
template <class V, class T, class Index>
V load_readonly(const Global<T>& x, Index i) {
  return x.template read<V>(static_cast<int64_t>(i));
}
template <class T, class Index, class V>
void store(const Global<T>& x, Index i, const V& value) {
  x.write(static_cast<int64_t>(i), value);
}
template <class T, class Index, class V>
void store(const Shared<T>& x, Index i, const V& value) {
  x.write(static_cast<int64_t>(i), value);
}

template <class U, class T>
Global<U> view_as(const Global<T>& x) {
  return Global<U>(reinterpret_cast<U*>(x.data()),
                   x.remaining() * static_cast<int64_t>(sizeof(T)) / static_cast<int64_t>(sizeof(U)));
}
template <class U, class T>
Shared<U> view_as(const Shared<T>& x) {
  return Shared<U>(x.name(), x.begin_offset(),
                   x.remaining() * static_cast<int64_t>(sizeof(T)) / static_cast<int64_t>(sizeof(U)));
}

template <class T>
Shared<T> static_shared(const void* key, const char* name, int64_t count) {
  return Shared<T>(name, host_cuda::static_shared(key, name, static_cast<size_t>(count) * sizeof(T), 16), count);
}
template <class T>
Shared<T> dynamic_shared(int64_t byte_offset, int64_t count) {
  host_cuda::check_dynamic_shared(byte_offset, count, sizeof(T), alignof(T));
  return Shared<T>("dynamic shared memory", static_cast<size_t>(byte_offset), count);
}

// Atomic between blocks too, which may run on several threads of the host.
template <class T, class Combine>
T atomic_update(T* p, Combine combine) {
  T old, updated;
  __atomic_load(p, &old, __ATOMIC_RELAXED);
  do {
    updated = combine(old);
  } while (!__atomic_compare_exchange(p, &old, &updated, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}

template <template <class> class View, class T, class Index>
T atomic_add(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomic_update(x.atomic(static_cast<int64_t>(i)), [value](T old) { return static_cast<T>(old + value); });
}
template <template <class> class View, class T, class Index>
T atomic_max(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomic_update(x.atomic(static_cast<int64_t>(i)), [value](T old) { return old < value ? value : old; });
}
template <template <class> class View, class T, class Index>
T atomic_min(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomic_update(x.atomic(static_cast<int64_t>(i)), [value](T old) { return value < old ? value : old; });
}
template <template <class> class View, class T, class Index>
T atomic_exchange(const View<T>& x, Index i, std::type_identity_t<T> value) {
  return atomic_update(x.atomic(static_cast<int64_t>(i)), [value](T) { return value; });
}
template <template <class> class View, class T, class Index>
T atomic_cas(const View<T>& x, Index i, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return atomic_update(x.atomic(static_cast<int64_t>(i)),
                       [expected, value](T old) { return old == expected ? value : old; });
}

}  // namespace nad::cuda

// Every instance of the enclosing function has one array, found by the address of its own key.
#define NAD_SHARED(T, name, count)      \
  static constexpr char name##_key = 0; \
  const ::nad::cuda::Shared<T> name = ::nad::cuda::static_shared<T>(&name##_key, #name, count)
