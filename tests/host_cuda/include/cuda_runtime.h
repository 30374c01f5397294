// The CUDA runtime as the host model offers it. This folder comes first on the include path of nad_cuda_host, so the
// sources of kernels/cuda find this file where nvcc finds NVIDIA's. Only what those sources use is here, with the
// names, argument lists and error codes of CUDA 12 and 13. host_cuda/control.h says what the model checks.
#pragma once

#include "host_cuda/math.h"
#include "host_cuda/runtime_api.h"
#include "host_cuda/types.h"
#include "host_cuda/warp.h"
