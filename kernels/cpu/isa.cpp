#include "kernels/cpu/isa.h"

#include <algorithm>
#include <cstdlib>

#include "engine/error.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace nad::cpu {

std::string to_string(Isa isa) {
  switch (isa) {
    case Isa::base:
      return "base";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::amx:
      return "amx";
  }
  return "?";
}

namespace {

// The processor has tiles and bf16 products on them, and the system lets this process (its threads of now and later)
// use them: Linux asks for a request first (Documentation/arch/x86/xstate.rst).
bool may_use_amx() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;  // CPUID.7.0:EDX
  constexpr long request_permission = 0x1023, tile_data = 18;   // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & amx_bf16) || !(d & amx_tile)) return false;
  return __builtin_cpu_supports("avx512bf16") && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

Isa processor_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return may_use_amx() ? Isa::amx : Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Isa::avx2;
#endif
  return Isa::base;
}

}  // namespace

Isa parse_isa(const std::string& name) {
  for (Isa isa : {Isa::base, Isa::avx2, Isa::avx512, Isa::amx}) {
    if (to_string(isa) == name) return isa;
  }
  throw Error(ErrorKind::usage, "NAD_ISA '" + name + "' in the environment",
              "expected base, avx2, avx512 or amx, or no NAD_ISA at all");
}

Isa best_isa() {
  static const Isa best = [] {
    const char* asked = std::getenv("NAD_ISA");
    return asked == nullptr || *asked == '\0' ? processor_isa() : std::min(processor_isa(), parse_isa(asked));
  }();
  return best;
}

bool isa_is_lowered() {
  static const bool lowered = best_isa() < processor_isa();
  return lowered;
}

bool narrow_products() {
#if defined(__x86_64__)
  return best_isa() >= Isa::avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

std::string isa_description() {
  std::string text = best_isa() >= Isa::avx2 ? "AVX2" : "no AVX2";
  if (best_isa() >= Isa::avx512) text += " AVX-512";
  if (narrow_products()) text += " AVX512-BF16";
  if (best_isa() == Isa::amx) text += " AMX-BF16";
  return isa_is_lowered() ? text + " (NAD_ISA=" + to_string(best_isa()) + ")" : text;
}

}  // namespace nad::cpu
