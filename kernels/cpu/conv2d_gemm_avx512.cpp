#ifdef __AVX512F__
#include "kernels/cpu/vector_avx512.h"
//
#include "kernels/cpu/conv2d_gemm_block.h"
#endif
