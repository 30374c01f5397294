#ifdef __AVX2__
#include "kernels/cpu/convolution/vector_avx2.h"
//
#include "kernels/cpu/convolution/gemm_block.h"
#endif
