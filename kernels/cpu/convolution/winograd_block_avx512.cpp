#ifdef __AVX512F__
#include "kernels/cpu/convolution/vector_avx512.h"
//
#include "kernels/cpu/convolution/winograd_block.h"
#endif
