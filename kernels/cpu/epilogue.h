// An Epilogue as the loops take it: plain pointers. The kernel that owns an EpiloguePlan keeps the packed vectors
// alive.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cpu/check.h"

namespace nad::cpu {

// z = scale * acc + shift + residual;   y = gate * relu(z).  Null pointers: that part is absent.
struct EpilogueLoop {
  const float* scale = nullptr;  // [C], null without scale and shift
  const float* shift = nullptr;  // [C]
  const float* residual = nullptr;
  int64_t residual_stride = 0;
  bool relu = false;
  const float* gate = nullptr;   // [rows, C]
  const int32_t* row = nullptr;  // [N]
  int64_t gate_stride = 0;       // floats from row to row

  bool empty() const { return !scale && !residual && !relu && !gate; }
  const float* gate_of(int64_t sample) const { return gate ? gate + row[sample] * gate_stride : nullptr; }
  // The same for a tensor that begins at this sample.
  EpilogueLoop from_sample(int64_t sample, int64_t plane) const {
    EpilogueLoop e = *this;
    if (residual) e.residual += sample * plane * residual_stride;
    if (gate) e.row += sample;
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

// `channels` of the output y. fold_affine: the caller has put scale and shift elsewhere (into weights and bias).
inline std::shared_ptr<const EpiloguePlan> plan_epilogue(const char* op, const Epilogue& epilogue, const Shape& y,
                                                         bool fold_affine = false) {
  require_channels(op, "epilogue scale", epilogue.scale, y.c);
  require_channels(op, "epilogue shift", epilogue.shift, y.c);
  if (epilogue.residual) require_shape(op, "residual", epilogue.residual.shape, y);
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
  loop.row = epilogue.gate.row;
  loop.gate_stride = epilogue.gate.stride;
  return plan;
}

}  // namespace nad::cpu
