// Which instruction sets this process may use: the one detector. The loops of vectorise.h, the convolutions, oneDNN,
// the resizing of images and the banner all ask here.
#pragma once

#include <string>

namespace nad::cpu {

enum class Isa { base, avx2, avx512, amx };  // amx: AVX-512 with bf16, and bf16 matrix tiles
std::string to_string(Isa isa);              // "base", "avx2", "avx512", "amx"
Isa parse_isa(const std::string& name);      // throws Error(usage)

// The best of the processor and the system, or what the environment variable NAD_ISA (base, avx2, avx512, amx) lowers
// it to: with it everything runs as on an older processor. Throws Error(usage) for another value of NAD_ISA.
Isa best_isa();
bool isa_is_lowered();  // NAD_ISA takes something away

// AVX-512 has products of 16-bit values, of bf16 (AVX512-BF16) and of integers (AVX512-VNNI).
bool narrow_products();

// For people: "AVX2 AVX-512", "no AVX2 (NAD_ISA=base)".
std::string isa_description();

}  // namespace nad::cpu
