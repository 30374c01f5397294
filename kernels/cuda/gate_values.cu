// The multipliers of one gate: row 0 ones (the original network), then
//   released, paper: row 1+g = sigmoid(logits[g])
//   specific: row 1+g = logits[g] > 0 ? 1 : kClosedGate
//   variational: row 1 + g*B + b = sigmoid(logits[g]) + noise[g*B + b] * softplus(sigma[g])
// A thread per entry of the table.
#include "kernels/cuda/arguments.h"
#include "kernels/cuda/gate_math.h"
#include "kernels/cuda/ops.h"
#include "kernels/learning_op_checks.h"

namespace nad::cuda {

namespace {

constexpr int threads = 256;

// logits, sigma: [G, C]; noise: [G*B, C]; sigma and noise null unless variational; table: [1 + G*batch, C], batch: B
// where every sample has its row, else 1.
__global__ void __launch_bounds__(threads)
    gate_values_kernel(int64_t count, int channels, int64_t batch, Global<const float> logits,
                       Global<const float> sigma, Global<const float> noise, bool binary, Global<float> table) {
  const int64_t i = global_index();
  if (i >= count) return;
  const int64_t row = i / channels, c = i % channels;
  if (row == 0) {
    table[i] = 1.0f;
    return;
  }
  const int64_t from = (row - 1) / batch * channels + c;
  const float logit = logits[from];
  if (binary) {
    table[i] = logit > 0.0f ? 1.0f : kClosedGate;
    return;
  }
  double value = sigmoid(static_cast<double>(logit));
  if (sigma) {
    const float spread = sigma[from], draw = noise[(row - 1) * channels + c];
    value += static_cast<double>(draw) * softplus(static_cast<double>(spread));
  }
  table[i] = static_cast<float>(value);
}

}  // namespace

Kernel plan_gate_values(Planner&, const GateValuesArgs& args) {
  check_args(args);
  const bool noisy = args.objective == Objective::variational;
  const int64_t groups = args.groups.count, batch = noisy ? args.groups.batch : 1, c = args.channels;
  const int64_t count = (1 + groups * batch) * c;
  return [=](Context& context) {
    launch(gate_values_kernel, blocks_for(count, threads), threads, 0, stream_of(context), count, static_cast<int>(c),
           batch, global(args.logits, groups * c), global(noisy ? args.sigma : nullptr, groups * c),
           global(noisy ? args.noise : nullptr, groups * batch * c), args.objective == Objective::specific,
           global(args.table, count));
  };
}

}  // namespace nad::cuda
