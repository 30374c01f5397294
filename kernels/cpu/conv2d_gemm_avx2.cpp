#ifdef __AVX2__
#include "kernels/cpu/vector_avx2.h"
//
#include "kernels/cpu/conv2d_gemm_block.h"
#endif
