#include "kernels/cpu/gemm.h"

#include "kernels/cpu/isa.h"

namespace nad::cpu {

bool has_avx512() { return best_isa() == Isa::avx512; }

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return has_avx512() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace nad::cpu
