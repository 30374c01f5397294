#include "bench/ladder/ladder.h"

#include "engine/error.h"
#include "kernels/cpu/isa.h"

namespace nad::ladder {

void check_case(const Conv2dArgs& a) {
  Conv2dParams expected;
  expected.kernel_h = expected.kernel_w = 3;
  expected.pad_h = expected.pad_w = 1;
  const bool plain = !a.prologue && !a.epilogue.scale && !a.epilogue.shift && !a.epilogue.residual &&
                     !a.epilogue.relu && !a.epilogue.gate && !a.tap_sum;
  if (a.params == expected && plain) return;
  throw Error(ErrorKind::usage, "the ladder's convolutions are 3x3 with stride 1 and padding 1, and nothing more");
}

std::vector<Rung> rungs() {
  const bool avx2 = cpu::best_isa() >= cpu::Isa::avx2;
  return {{"naive", "the equation", conv2d_naive, true},
          {"blocked", "a loaded value serves many products", conv2d_blocked, true},
          {"packed", "weights in the order of reading", conv2d_packed, true},
          {"simd", "eight products an instruction, sums in registers", conv2d_simd, avx2}};
}

}  // namespace nad::ladder
