#ifdef __AVX2__
#define NAD_INTEGERS 1
#include "kernels/cpu/vector_avx2.h"
//
#include "kernels/cpu/conv2d_winograd_block.h"
#endif
