// Which instruction sets the vectorised loops may use on this machine.
#pragma once

#include <string>

namespace nad::cpu {

enum class Isa { base, avx2, avx512, amx };  // amx: AVX-512 with bf16, and bf16 matrix tiles

// The best of the processor. The environment variable NAD_ISA (base, avx2, avx512, amx) lowers it: with it the loops
// of an older processor can be tested on a newer one.
Isa best_isa();
std::string to_string(Isa isa);

}  // namespace nad::cpu
