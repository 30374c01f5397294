#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#include "kernels/cpu/convolution/vector_avx512_narrow.h"
//
#include "kernels/cpu/convolution/gemm_block.h"
#endif
