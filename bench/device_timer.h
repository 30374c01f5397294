// Time on a CUDA device. This file's .cu and roofs.cu are the
// only ones outside kernels/cuda that know CUDA's runtime.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/context.h"

namespace nad::bench {

class DeviceTimer {
 public:
  virtual ~DeviceTimer() = default;
  // Seconds between two events around what `work` enqueues on the backend's stream. Waits for it; `work` must not.
  virtual double seconds(const std::function<void()>& work) = 0;
  // The same with an L2 cache that holds nothing of earlier work: a buffer of four times its size is overwritten in
  // front of the first event, which also keeps the device busy until the host has enqueued the work.
  virtual double cold_seconds(const std::function<void()>& work) = 0;
  // Where a profiler that was told to wait (ncu --profile-from-start off) begins and ends to look.
  virtual void profile(bool on) = 0;
};

// The ceilings of a device, measured: bytes read and written per second by a copy of forty L2
// caches, and flops per second of the
// instructions that the hand-written kernels multiply with (FMA; mma.sync, which on Hopper is slower than its wgmma).
struct Roofs {
  double copy = 0, fp32 = 0, tf32 = 0, bf16 = 0;
  double flops(Precision precision) const {
    return precision == Precision::fp32 ? fp32 : precision == Precision::tf32 ? tf32 : bf16;
  }
};

#ifdef NAD_CUDA
// Null for a backend that is not a CUDA device.
std::unique_ptr<DeviceTimer> make_device_timer(Backend& backend);
// PRECOND: the backend is a CUDA device and the timer its own.
Roofs measure_roofs(Backend& backend, DeviceTimer& timer);
#else
inline std::unique_ptr<DeviceTimer> make_device_timer(Backend&) { return nullptr; }
inline Roofs measure_roofs(Backend&, DeviceTimer&) { return {}; }
#endif

}  // namespace nad::bench
