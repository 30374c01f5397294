// An Epilogue as the loops take it: plain pointers. The kernel
// that owns an EpiloguePlan keeps the packed vectors alive.
#pragma once

#include <memory>
#include <vector>

#include "engine/ops.h"
#include "kernels/epilogue.h"

namespace nad::cpu {

// scale and shift are both there or both null.
struct EpilogueLoop : EpilogueFields<HostPointer> {
  bool empty() const { return !scale && !residual && !relu && !gate; }
  const float* gate_of(int64_t sample) const { return gate ? gate + gate_row[sample] * gate_stride : nullptr; }
  // The same for a tensor that begins at this sample.
  EpilogueLoop from_sample(int64_t sample, int64_t plane) const {
    EpilogueLoop e = *this;
    if (residual) e.residual += sample * plane * residual_stride;
    if (gate) e.gate_row += sample;
    return e;
  }
};

struct EpiloguePlan {
  std::vector<float> scale, shift;
  EpilogueLoop loop;
};

inline std::vector<float> values_or(const Param& param, int64_t count, float otherwise) {
  return param ? param->data : std::vector<float>(static_cast<size_t>(count), otherwise);
}

// Of an op with output y whose arguments are checked. fold_affine: the
// caller has put scale and shift elsewhere (into weights and bias).
inline std::shared_ptr<const EpiloguePlan> plan_epilogue(const Epilogue& epilogue, const Shape& y,
                                                         bool fold_affine = false) {
  auto plan = std::make_shared<EpiloguePlan>();
  EpilogueLoop& loop = plan->loop;
  if ((epilogue.scale || epilogue.shift) && !fold_affine) {
    plan->scale = values_or(epilogue.scale, y.c, 1);
    plan->shift = values_or(epilogue.shift, y.c, 0);
    loop.scale = plan->scale.data();
    loop.shift = plan->shift.data();
  }
  loop.residual = epilogue.residual.data;
  loop.residual_stride = epilogue.residual.stride;
  loop.relu = epilogue.relu;
  loop.gate = epilogue.gate.table;
  loop.gate_row = epilogue.gate.row;
  loop.gate_stride = epilogue.gate.stride;
  return plan;
}

}  // namespace nad::cpu
