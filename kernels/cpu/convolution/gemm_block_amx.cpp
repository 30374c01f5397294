#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
#include "kernels/cpu/convolution/vector_amx.h"
//
#include "kernels/cpu/convolution/gemm_block.h"

namespace nad::cpu::amx {

GemmTileFunction gemm_tile_bf16(int64_t rows, int64_t width) { return gemm_tile_amx_of(rows, width); }

}  // namespace nad::cpu::amx
#endif
