// Emission: from a task of the schedule to a kernel, through the backend's op table.
#pragma once

#include "engine/schedule.h"

namespace nad {

class Emission {
 public:
  // plan: has its gate tables, rows and tap weights. arena: what place_regions() asked for.
  Emission(Planner& planner, const OpTable& ops, const Tape& tape, const PlanOptions& options,
           const Schedule& schedule, const Plan& plan, std::byte* arena)
      : planner_(planner),
        ops_(ops),
        tape_(tape),
        options_(options),
        schedule_(schedule),
        plan_(plan),
        arena_(arena) {}

  // Throws Error(device) where the backend does not support the node.
  Plan::Step step(const Task& task);

  Tensor value(Var v) const;
  Tensor gradient(Var v, const Place& place) const;  // of the samples that have one

 private:
  std::byte* address(int region) const { return arena_ + schedule_.regions[region].offset; }
  Tensor whole(int region, const Shape& shape) const {
    return {reinterpret_cast<float*>(address(region)), shape, shape.c};
  }
  Tensor with_gradient(Var v) const;  // the value's samples that have a gradient
  GateRef gate_of_slice(const Tape::Node& node) const;
  GateRef gate_with_gradient(int gate) const;
  Epilogue epilogue(const Tape::Node& node) const;
  uint8_t* argmax(int node) const;
  const uint8_t* argmax_with_gradient(int node) const;
  bool sums_tap(const Tape::Node& node) const;

  Kernel kernel(const Task& task);
  Kernel forward(const Task& task);
  Kernel wide_forward(const Task& task);
  Kernel pool_forward(const Task& task);
  Kernel zero(const Task& task);
  Kernel epilogue_backward(const Task& task);
  Kernel backward(const Task& task);
  Kernel pool_backward(const Task& task);
  Kernel wide_backward(const Task& task);
  Tensor wide_gradient(const Task& task) const;

  Planner& planner_;
  const OpTable& ops_;
  const Tape& tape_;
  const PlanOptions& options_;
  const Schedule& schedule_;
  const Plan& plan_;
  std::byte* arena_;
};

}  // namespace nad
