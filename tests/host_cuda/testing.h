// What the tests of the host model share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/error.h"
#include "host_cuda/control.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"

namespace host_cuda {

// Device memory of `count` data of T, freed at the end of the scope.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(int64_t count) : count_(count) { NAD_CUDA_CHECK(cudaMalloc(&data_, bytes())); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(static_cast<int64_t>(values.size())) {
    NAD_CUDA_CHECK(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice));
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  std::vector<T> download() const {
    std::vector<T> values(static_cast<size_t>(count_));
    NAD_CUDA_CHECK(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return values;
  }
  nad::cuda::Global<T> view() const { return {data_, count_}; }
  nad::cuda::Global<const T> read_only() const { return {data_, count_}; }
  T* data() const { return data_; }
  size_t bytes() const { return static_cast<size_t>(count_) * sizeof(T); }

 private:
  int64_t count_;
  T* data_ = nullptr;
};

// Runs the work and waits for the device; returns what the model found, or "".
template <class Work>
std::string finding(Work work) {
  try {
    work();
    NAD_CUDA_CHECK(cudaDeviceSynchronize());
  } catch (const nad::Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Default settings before and after a test.
struct Fresh {
  Fresh() { reset(); }
  ~Fresh() { reset(); }
};

// Every lane and block order that a result should not depend on.
inline std::vector<Settings> all_orders() {
  std::vector<Settings> all;
  for (const Order lanes : {Order::ascending, Order::descending}) {
    for (const Order blocks : {Order::ascending, Order::descending}) {
      Settings s;
      s.lanes = lanes;
      s.blocks = blocks;
      all.push_back(s);
    }
  }
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Settings s;
    s.lanes = s.blocks = Order::shuffled;
    s.seed = seed;
    s.workers = seed % 2 == 0 ? 2 : 1;
    all.push_back(s);
  }
  return all;
}

}  // namespace host_cuda
