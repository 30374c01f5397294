// noise[n, c] = random_normal(random_key(random_key(key[g], step[g]), gate_index), b*C + c), n = g*B + b.
// A thread per number: each is a function of its coordinates alone (engine/rng.h).
#include "engine/rng.h"
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int threads = 256;

// key, step: [G]; noise: [G*B, C]; count = G*B*C.
__global__ void __launch_bounds__(threads)
    gate_noise_kernel(int64_t count, int64_t channels, int64_t batch, uint64_t gate_index, Global<const uint64_t> key,
                      Global<const uint64_t> step, Global<float> noise) {
  const int64_t i = global_index();
  if (i >= count) return;
  const int64_t per_group = batch * channels, g = i / per_group;
  const uint64_t gate_key = random_key(random_key(key[g], step[g]), gate_index);
  noise[i] = random_normal(gate_key, static_cast<uint64_t>(i % per_group));
}

}  // namespace

Kernel plan_gate_noise(Planner&, const GateNoiseArgs& args) {
  check_args(args);
  const int64_t groups = args.groups.count, count = groups * args.groups.batch * args.channels;
  return [=](Context& context) {
    launch(gate_noise_kernel, blocks_for(count, threads), threads, 0, stream_of(context), count, args.channels,
           args.groups.batch, args.gate_index, global(args.key, groups), global(args.step, groups),
           global(args.noise, count));
  };
}

}  // namespace nad::cuda
