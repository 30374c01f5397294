// What lanes.h and the loops over its vectors need from outside their namespaces.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define NAD_INLINE inline __attribute__((always_inline))
#define NAD_INLINE_LAMBDA __attribute__((always_inline))
