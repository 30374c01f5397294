// Checked calls of the CUDA runtime.
#pragma once

#include <cuda_runtime.h>

#include <source_location>

namespace nad::cuda {

// Throws Error(memory) for cudaErrorMemoryAllocation and Error(device) for every
// other error: the statement, where it stands, what the runtime says, and what to
// do about it. Clears the runtime's last error, so the next call starts clean.
void check(cudaError_t status, const char* statement,
           const std::source_location& where = std::source_location::current());

// What a user can do about an error, or "".
const char* error_hint(cudaError_t status);

}  // namespace nad::cuda

#define NAD_CUDA_CHECK(statement) ::nad::cuda::check((statement), #statement)
