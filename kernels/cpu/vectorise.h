// Compiles one file of loops for several instruction sets.
//
// An op keeps its loops in X_loops.h: plain functions over pointers and structs, without includes. X.cpp says
//     #define NAD_LOOPS "kernels/cpu/X_loops.h"
//     #include "kernels/cpu/vectorise.h"
// and gets them three times, in the namespaces avx512, avx2 and base, each with the vector types of lanes.h in its
// own width. NAD_BEST(f) is the copy of f that fits the processor. (GCC's target_clones would be shorter, but vector
// types are lowered before it clones.)
//
// Elsewhere than on GCC for x86-64 there is only `base`, four lanes wide, which any compiler turns into what it has.
#include "engine/ops.h"
#include "kernels/cpu/inline.h"
#include "kernels/cpu/isa.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#define NAD_LANES 16
namespace nad::cpu::avx512 {
#include "kernels/cpu/lanes.h"
#include NAD_LOOPS
}  // namespace nad::cpu::avx512
#undef NAD_LANES
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define NAD_LANES 8
namespace nad::cpu::avx2 {
#include "kernels/cpu/lanes.h"
#include NAD_LOOPS
}  // namespace nad::cpu::avx2
#undef NAD_LANES
#pragma GCC pop_options

#define NAD_BEST(f) (best_isa() >= Isa::avx512 ? &avx512::f : best_isa() == Isa::avx2 ? &nad::cpu::avx2::f : &base::f)

#else
#define NAD_BEST(f) (&base::f)
#endif

#define NAD_LANES 4
namespace nad::cpu::base {
#include "kernels/cpu/lanes.h"
#include NAD_LOOPS
}  // namespace nad::cpu::base
#undef NAD_LANES
