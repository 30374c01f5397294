#include "kernels/cpu/isa.h"

#include <algorithm>
#include <cstdlib>

namespace nad::cpu {

std::string to_string(Isa isa) {
  switch (isa) {
    case Isa::base:
      return "base";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

static Isa processor_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::base;
}

Isa best_isa() {
  const Isa best = processor_isa();
  const char* asked = std::getenv("NAD_ISA");
  if (asked == nullptr) return best;
  for (Isa isa : {Isa::base, Isa::avx2, Isa::avx512}) {
    if (to_string(isa) == asked) return std::min(best, isa);
  }
  return best;
}

}  // namespace nad::cpu
