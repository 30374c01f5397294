// Functions that the host and the device share.
#pragma once

#if defined(__CUDACC__)
#define NAD_HOST_DEVICE __host__ __device__
#else
#define NAD_HOST_DEVICE
#endif
