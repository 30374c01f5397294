#ifdef __AVX2__
#include "kernels/cpu/convolution/vector_avx2.h"
//
#include "kernels/cpu/convolution/winograd_block.h"
#endif
