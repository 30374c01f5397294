#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#include "kernels/cpu/vector_avx512_narrow.h"
//
#include "kernels/cpu/conv2d_gemm_block.h"
#endif
