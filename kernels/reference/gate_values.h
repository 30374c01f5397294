// The multipliers of one gate: row 0 ones (the original network), then
//   released, paper: row 1+g = sigmoid(logits[g])
//   specific: row 1+g = logits[g] > 0 ? 1 : kClosedGate
//   variational: row 1 + g*B + b = sigmoid(logits[g]) + noise[g*B + b] * softplus(sigma[g])
#pragma once

#include "engine/parallel.h"
#include "kernels/learning_ops.h"
#include "kernels/reference/common.h"

namespace nad::reference {

template <class Args>
void gate_values(const Args& a) {
  using T = std::remove_reference_t<decltype(*a.table)>;
  const int64_t channels = a.channels, batch = a.objective == Objective::variational ? a.groups.batch : 1;
  for (int64_t c = 0; c < channels; ++c) a.table[c] = T{1};
  parallel_for(a.groups.count * batch, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t first = r / batch * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const auto logit = static_cast<double>(a.logits[first + c]);
        double value = sigmoid(logit);
        if (a.objective == Objective::specific) {
          value = logit > 0 ? 1 : static_cast<double>(kClosedGate);
        } else if (a.objective == Objective::variational) {
          value += static_cast<double>(a.noise[r * channels + c]) * softplus(static_cast<double>(a.sigma[first + c]));
        }
        a.table[(1 + r) * channels + c] = static_cast<T>(value);
      }
    }
  });
}

}  // namespace nad::reference
