// Uploads that do not wait for the device: a ring of page-locked slots.
//
// A large piece travels on a copy stream into the slot's device memory while the compute stream is still busy, and
// from there, in order, with a fast copy on the compute stream. A small piece goes on the compute stream itself. A
// slot is used again once its last copy is done; when all are busy, more are made, up to a limit.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

namespace nad::cuda {

class Staging {
 public:
  explicit Staging(cudaStream_t compute);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // to: device memory; from: may be changed when the call returns. Throws Error(device), Error(memory).
  void upload(void* to, const void* from, size_t bytes);

  static constexpr size_t small_bytes = size_t{16} << 10;  // one small slot
  static constexpr size_t large_bytes = size_t{8} << 20;   // one large slot
  static constexpr size_t small_slots = 64;
  static constexpr size_t most_large_slots = 16;

 private:
  struct Slot {
    std::byte* host = nullptr;    // page-locked
    std::byte* device = nullptr;  // large slots only
    cudaEvent_t arrived = nullptr, done = nullptr;
    bool used = false;
  };
  void upload_small(void* to, const void* from, size_t bytes);
  void upload_large(void* to, const void* from, size_t bytes);
  Slot make_slot(size_t bytes, bool device);
  Slot& next_large();
  static bool busy(const Slot& slot);
  static void release(Slot& slot);

  cudaStream_t compute_, copy_ = nullptr;
  std::byte* small_memory_ = nullptr;
  std::vector<Slot> small_, large_;
  size_t next_small_ = 0, next_large_ = 0;
};

}  // namespace nad::cuda
