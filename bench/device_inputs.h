// Values for the arrays of a problem that has none on the host (tests/compare.h, Content), made where they are
// needed: for 256 images the host alone would take minutes.
#pragma once

#include "bench/device_timer.h"
#include "tests/compare.h"

namespace nad::bench {

#ifdef NAD_CUDA
// Both run on the backend's stream. PRECOND: it is a CUDA device.
// to: the memory of `array` with its margins.
void fill_on_device(Backend& backend, const test::Array& array, std::byte* to);
// Random bf16 in [-1, 1): for scratch memory that a kernel reads as its source.
void fill_with_bf16(Backend& backend, std::byte* to, size_t bytes);
#else
inline void fill_on_device(Backend&, const test::Array&, std::byte*) {}
inline void fill_with_bf16(Backend&, std::byte*, size_t) {}
#endif

}  // namespace nad::bench
