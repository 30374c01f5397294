// noise[n, c] = random_normal(random_key(random_key(key[g], *step), gate_index), b*C + c), n = g*B + b.
// `step` holds one number per group, so that classes at different steps may share a batch.
#include "engine/parallel.h"
#include "engine/rng.h"
#include "kernels/learning_op_checks.h"
#include "kernels/reference/common.h"
#include "kernels/reference/ops.h"

namespace nad::reference {

Kernel plan_gate_noise(Planner&, const GateNoiseArgs& a) {
  check_args(a);
  return [a](Context&) {
    parallel_for(a.groups.count * a.groups.batch, [&](int64_t begin, int64_t end, int) {
      for (int64_t n = begin; n < end; ++n) {
        const int64_t g = n / a.groups.batch, b = n % a.groups.batch;
        const uint64_t key = random_key(random_key(a.key[g], a.step[g]), a.gate_index);
        for (int64_t c = 0; c < a.channels; ++c) {
          a.noise[n * a.channels + c] = random_normal(key, static_cast<uint64_t>(b * a.channels + c));
        }
      }
    });
  };
}

}  // namespace nad::reference
