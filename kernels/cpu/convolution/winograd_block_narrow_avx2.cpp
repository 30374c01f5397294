#ifdef __AVX2__
#define NAD_INTEGERS 1
#include "kernels/cpu/convolution/vector_avx2.h"
//
#include "kernels/cpu/convolution/winograd_block.h"
#endif
