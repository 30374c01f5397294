#ifdef __AVX512F__
#include "kernels/cpu/vector_avx512.h"
//
#include "kernels/cpu/conv2d_winograd_block.h"
#endif
