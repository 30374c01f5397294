// Shared memory of the running block, with a record per two bytes: who wrote and who read last, and when.
#pragma once

#include <cstddef>
#include <cstdint>

#include "host_cuda/lane.h"

namespace host_cuda {

constexpr size_t shared_capacity = 227 * 1024;        // per block, of sm_90
constexpr size_t static_shared_capacity = 48 * 1024;  // what the compiler grants without asking

enum class Access : uint8_t { read, write, atomic };

// Byte offset of the array with this key in the running block's shared memory; every lane gets the same one.
size_t static_shared(const void* key, const char* name, size_t bytes, size_t alignment);
// Checks that the launch's dynamic shared memory holds the range.
void check_dynamic_shared(int64_t byte_offset, int64_t count, size_t element, size_t alignment);

// The address of the bytes, after the checks: alignment to
// `alignment`, written (read, atomic), no copy under way, no race.
void* shared_access(const char* name, size_t offset, size_t bytes, size_t alignment, Access access,
                    const void* value);

[[noreturn]] void fail_bounds(const char* space, const char* name, bool write, int64_t index, size_t bytes,
                              int64_t count, size_t element);

}  // namespace host_cuda
